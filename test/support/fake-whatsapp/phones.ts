// What people do with their phones: link a device and unlink it, write, read.

import { phoneJid } from "./addresses.ts";
import { linkCredentials, PRE_KEYS } from "./credentials.ts";
import type { FakeWhatsapp } from "./fake.ts";
import type { Parts } from "./server.ts";

type Phones = Pick<FakeWhatsapp, "scan" | "enterCode" | "link" | "unlink" | "setAbsent" | "setDevices" | "reply" | "deliver" | "read" | "forgetConversations">;

const UNLINKED = 401;

export function phonesOf({ accounts, people, pairing, replies, receipts, sessions, witness, changed }: Parts): Phones {
  return {
    async scan(qr, phone) {
      const companion = await pairing.scan(qr, phone);
      changed();
      return phoneJid(phone, companion.device);
    },
    async enterCode(code, phone) {
      const companion = await pairing.enterCode(code, phone);
      changed();
      return phoneJid(phone, companion.device);
    },
    link(phone, { preKeys = PRE_KEYS } = {}) {
      const credentials = linkCredentials(accounts, phone, people.phoneOf(phone).identity, preKeys);
      changed();
      return credentials;
    },
    unlink(account) {
      for (const { connection } of sessions.of(account)) sessions.throwStreamError(connection, account, UNLINKED);
      for (const companion of [...(accounts.find(account)?.companions.values() ?? [])]) {
        accounts.unlink(companion);
        witness.record({ kind: "unlinked", account, device: phoneJid(account, companion.device), by: "phone" });
      }
      changed();
    },
    setAbsent(phone, isAbsent = true) {
      people.setAbsent(phone, isAbsent);
      changed();
    },
    setDevices: people.setDevices,
    reply: replies.send,
    deliver: (account, messageId) => receipts.send(account, messageId, "delivered"),
    read: (account, messageId) => receipts.send(account, messageId, "read"),
    forgetConversations(phone) {
      const forgetful = phone === undefined ? people.all : [people.find(phone)].filter((person) => person !== undefined);
      for (const { devices } of forgetful) for (const device of devices.values()) device.forget();
    },
  };
}
