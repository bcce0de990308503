// Who is logged in over which connection, and what they are sent.

import type { Accounts, Companion } from "./accounts.ts";
import { lidJid, phoneJid } from "./addresses.ts";
import type { Behaviours } from "./behaviour.ts";
import type { Connection } from "./connection.ts";
import { type BinaryNode, element, seconds, SERVER } from "./stanza.ts";
import type { Timers } from "./timers.ts";
import type { Witness } from "./witness.ts";

export type Session = {
  readonly connection: Connection;
  readonly companion: Companion;
  readonly account: string;
  readonly device: string;
};

export interface Sessions {
  /** Lets the client in, or says why not. */
  login(connection: Connection, phone: string, device: number, clientKey: Buffer): Session | undefined;
  ended(session: Session): void;
  of(account: string): Session[];
  readonly all: Iterable<Session>;
  /** Sends it now or at the next login, and again at each login until it is confirmed. */
  deliver(companion: Companion, node: BinaryNode): void;
  /** `code` 440 and 401 come with their conflict, as WhatsApp says them. */
  throwStreamError(connection: Connection, account: string | null, code: number): void;
}

type Options = { readonly accounts: Accounts; readonly behaviours: Behaviours; readonly timers: Timers; readonly witness: Witness };

/** Baileys sets up its listeners for what follows a login while it waits for the answer. */
const ANSWER_MS = 2;

const LOGGED_OUT = 401;
const REPLACED = 440;

export function createSessions({ accounts, behaviours, timers, witness }: Options): Sessions {
  const sessions = new Map<string, Set<Session>>();

  const refuse = (connection: Connection, account: string, device: string, code: number) => {
    witness.record({ kind: "failure", connection: connection.id, account, device, code });
    connection.send(element("failure", { reason: code, location: "fake" }));
    connection.close(`login refused with ${code}`);
    return undefined;
  };

  const throwStreamError: Sessions["throwStreamError"] = (connection, account, code) => {
    witness.record({ kind: "stream error", connection: connection.id, account, code });
    connection.send(streamError(code));
    connection.close(`stream error ${code}`);
  };

  return {
    login(connection, phone, deviceNumber, clientKey) {
      const device = phoneJid(phone, deviceNumber);
      const { login } = behaviours.of(phone);
      if (login !== "accept") return refuse(connection, phone, device, login.refuse);
      const companion = accounts.companion(phone, deviceNumber);
      if (!companion?.keys.noiseKey.equals(clientKey)) return refuse(connection, phone, device, LOGGED_OUT);
      const others = [...(sessions.get(device) ?? [])];
      witness.record({ kind: "login", connection: connection.id, account: phone, device, alive: others.map((other) => other.connection.id) });
      for (const other of others) throwStreamError(other.connection, phone, REPLACED);
      const session: Session = { connection, companion, account: phone, device };
      sessions.set(device, new Set([session]));
      timers.after(ANSWER_MS, () => welcome(session));
      return session;
    },
    ended(session) {
      const alive = sessions.get(session.device);
      alive?.delete(session);
      if (alive?.size === 0) sessions.delete(session.device);
    },
    of: (account) => [...(accounts.find(account)?.companions.keys() ?? [])].flatMap((device) => [...(sessions.get(phoneJid(account, device)) ?? [])]),
    all: {
      *[Symbol.iterator]() {
        for (const alive of sessions.values()) yield* alive;
      },
    },
    deliver(companion, node) {
      companion.unconfirmed.set(confirmationKey(node.tag, node.attrs["id"], node.attrs["type"]), node);
      for (const { connection } of sessions.get(phoneJid(companion.account, companion.device)) ?? []) connection.send(node);
    },
    throwStreamError,
  };
}

function welcome({ connection, companion, account }: Session): void {
  connection.send(element("success", { t: seconds(), lid: lidJid(account, companion.device), location: "fake", props: 1 }));
  for (const node of companion.unconfirmed.values()) connection.send({ ...node, attrs: { ...node.attrs, offline: "1" } });
  connection.send(element("ib", { from: SERVER }, [element("offline", { count: companion.unconfirmed.size })]));
}

/** A message is confirmed by its id, whatever its type; of a message there may be several receipts. */
export function confirmationKey(tag: string, id: string | undefined, type: string | undefined): string {
  return tag === "receipt" ? `${tag}:${id}:${type ?? ""}` : `${tag}:${id}`;
}

function streamError(code: number): BinaryNode {
  switch (code) {
    case REPLACED:
      return element("stream:error", {}, [element("conflict", { type: "replaced" })]);
    case LOGGED_OUT:
      return element("stream:error", { code }, [element("conflict", { type: "device_removed" })]);
    default:
      return element("stream:error", { code });
  }
}
