// Transactions over the keys of one device, as Baileys asks for them.
//
// Baileys' own commit when the outermost one ends; around a send that is after the message has been written, and a process that dies between the two uses a
// message key twice. These are handed to the Signal repository instead, and know nothing of Baileys' outer ones: what a message was encrypted with is
// committed before its bytes can leave.

import { AsyncLocalStorage } from "node:async_hooks";
import type { SignalDataTypeMap, SignalKeyStoreWithTransaction } from "baileys";
import type { DeviceKeys, KeyData } from "./auth-port.ts";

export type TransactedKeys = Omit<SignalKeyStoreWithTransaction, "get" | "set"> & {
  get<T extends keyof SignalDataTypeMap>(type: T, ids: string[]): Promise<{ [id: string]: SignalDataTypeMap[T] }>;
  set(data: KeyData): Promise<void>;
};

type Transaction = {
  readonly keys: DeviceKeys;
  readonly writes: Record<string, Record<string, unknown>>;
  /** What was written by then and failed later must not be built upon. */
  readonly failuresBefore: number;
  /** libsignal takes a session that could not be read for none, and would begin another in its place. */
  readError?: unknown;
  /** What goes on after it has ended, unawaited, writes for itself. */
  hasEnded?: true;
};

/** One for all devices: each costs all promises of the process something. */
const current = new AsyncLocalStorage<Transaction>();

/** By device: a connection that has ended may be at work yet when the next one of its device begins. */
const lastTurns = new WeakMap<DeviceKeys, Promise<void>>();

/** Its transaction may be waited for by one that has the turn: whoever looks up a LID waits for those who look it up already. */
const WITHOUT_TURN = "lid-mapping";

/** A transaction's writes are committed in one `set` before `transaction` resolves; nothing of it is, where it rejects. Those of a device have turns: two
 *  names of one person, by phone and by LID, lead to the same session, and a lock for each name would let both use the same message key. */
export function createTransactedKeys(keys: DeviceKeys): TransactedKeys {
  const own = (): Transaction | undefined => {
    const transaction = current.getStore();
    return transaction?.keys === keys && !transaction.hasEnded ? transaction : undefined;
  };

  const get = async <T extends keyof SignalDataTypeMap>(type: T, ids: string[]) => {
    const transaction = own();
    if (transaction === undefined) return keys.get(type, ids);
    const written = transaction.writes[type] ?? {};
    const found: { [id: string]: SignalDataTypeMap[T] } = {};
    const others = ids.filter((id) => !Object.hasOwn(written, id));
    if (others.length > 0) {
      try {
        Object.assign(found, await keys.get(type, others));
      } catch (error) {
        transaction.readError = error;
        throw error;
      }
    }
    for (const id of ids) if (written[id] != null) found[id] = written[id] as SignalDataTypeMap[T];
    return found;
  };

  const set = async (data: KeyData) => {
    const transaction = own();
    if (transaction === undefined) return keys.set(data);
    for (const [type, values] of Object.entries(data)) Object.assign((transaction.writes[type] ??= {}), values);
  };

  /** Returns its commit, which is on its way. */
  const run = async <T>(work: () => Promise<T>): Promise<{ value: T; committed: Promise<void> }> => {
    const transaction: Transaction = { keys, writes: {}, failuresBefore: keys.failures() };
    const value = await current.run(transaction, work).finally(() => {
      transaction.hasEnded = true;
    });
    if (transaction.readError !== undefined) throw transaction.readError;
    if (keys.failures() !== transaction.failuresBefore) throw new Error("what this was derived from could not be written");
    const isEmpty = Object.keys(transaction.writes).length === 0;
    return { value, committed: isEmpty ? Promise.resolve() : keys.set(transaction.writes) };
  };

  return {
    get,
    set,
    isInTransaction: () => own() !== undefined,
    async transaction(work, key) {
      if (own() !== undefined) return work();
      const turn = key === WITHOUT_TURN ? run(work) : (lastTurns.get(keys) ?? Promise.resolve()).then(() => run(work));
      // The next one reads what this one has written without waiting for its commit: those of a message to a person's five devices are one statement.
      if (key !== WITHOUT_TURN) lastTurns.set(keys, turn.then(nothing, nothing));
      const { value, committed } = await turn;
      await committed;
      return value;
    },
  };
}

const nothing = () => {};
