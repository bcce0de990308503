// What can go wrong, at the test's word.

import { randomBytes } from "node:crypto";
import type { FakeWhatsapp } from "./fake.ts";
import type { Network } from "./network.ts";
import { restrictionNotification } from "./restriction.ts";
import type { Parts } from "./server.ts";

type Faults = Pick<
  FakeWhatsapp,
  "behave" | "behaveWell" | "restrict" | "throwStreamError" | "close" | "destroy" | "silence" | "resume" | "setGate" | "cutAll"
>;

export function faultsOf({ accounts, behaviours, sessions }: Parts, network: Network): Faults {
  return {
    behave: behaviours.set,
    behaveWell: behaviours.reset,
    restrict(account, until) {
      behaviours.set({ isRestricted: until !== null, restrictedUntil: until }, account);
      for (const companion of accounts.find(account)?.companions.values() ?? []) {
        sessions.deliver(companion, restrictionNotification(`restriction-${randomBytes(6).toString("hex")}`, until !== null, until ?? undefined));
      }
    },
    throwStreamError(account, code) {
      for (const { connection } of sessions.of(account)) sessions.throwStreamError(connection, account, code);
    },
    close(account) {
      for (const { connection } of sessions.of(account)) connection.close("closed at the test's word");
    },
    destroy(account) {
      for (const { connection } of sessions.of(account)) connection.destroy("reset at the test's word");
    },
    silence(account) {
      for (const { connection } of sessions.of(account)) connection.silence();
    },
    resume(account) {
      for (const { connection } of sessions.of(account)) connection.resume();
    },
    setGate: network.setGate,
    cutAll() {
      network.setGate("reset");
      for (const { connection } of [...sessions.all]) connection.destroy("the network was cut");
    },
  };
}
