import { AsyncLocalStorage } from "node:async_hooks";
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import "../../../../src/transports/whatsapp/libsignal.ts";
import { Builder, Cipher, type Storage } from "../../../../src/transports/whatsapp/libsignal-modules.ts";
import { createSignalParty } from "../../../support/signal-party.ts";

const load = createRequire(import.meta.url);
const { ProtocolAddress } = load("libsignal");

const caller = new AsyncLocalStorage<string>();

/** Tells who reads it; nothing is read before `opens`. */
function storage(opens: Promise<void>) {
  const readers: (string | undefined)[] = [];
  const store = {
    async loadSession() {
      await opens;
      readers.push(caller.getStore());
      return undefined;
    },
    storeSession: async () => {},
    isTrustedIdentity: () => true,
    getOurIdentity: () => ({ pubKey: Buffer.alloc(33, 5), privKey: Buffer.alloc(32, 9) }),
  };
  return { store: store as Storage, readers };
}

type Encrypts = { encrypt(data: Buffer): Promise<unknown> };

const kinds = {
  encrypts: (store: Storage) => (new (Cipher as unknown as new (store: Storage, address: unknown) => Encrypts)(store, new ProtocolAddress("person", 0))).encrypt(Buffer.from("text")).catch(() => {}),
  begins: (store: Storage) => new Builder(store, new ProtocolAddress("person", 0)).initOutgoing(createSignalParty().bundle()),
};

describe.each(Object.entries(kinds))("one device that %s for a person", (_kind, run) => {
  test("does not wait for another that does, and is not taken for it", async () => {
    const { promise: opens, resolve: open } = Promise.withResolvers<void>();
    const [first, second] = [storage(opens), storage(Promise.resolve())];
    const waiting = caller.run("first", () => run(first.store));
    await caller.run("second", () => run(second.store));
    expect(second.readers).toEqual(["second"]);
    expect(first.readers).toEqual([]);
    open();
    await waiting;
    expect(first.readers).toEqual(["first"]);
  });

  test("twice at once does so one after the other, each for its caller", async () => {
    const { promise: opens, resolve: open } = Promise.withResolvers<void>();
    const { store, readers } = storage(opens);
    const both = [caller.run("one", () => run(store)), caller.run("two", () => run(store))];
    open();
    await Promise.all(both);
    expect(readers).toEqual(["one", "two"]);
  });
});
