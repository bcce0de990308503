// Accounts that have linked devices, and what the server knows of each device: by which key it logs in, which keys it has uploaded, and what it was
// sent and has not confirmed.

import type { BinaryNode } from "./stanza.ts";

export type PublicPreKey = { readonly id: number; readonly publicKey: Buffer };
export type SignedPreKey = PublicPreKey & { readonly signature: Buffer };

/** What a client tells of itself when it asks to be linked. */
export type DeviceKeys = {
  /** By which its logins are known. */
  readonly noiseKey: Buffer;
  readonly identityKey: Buffer;
  readonly registrationId: number;
  readonly signedPreKey: SignedPreKey;
};

export type Companion = {
  readonly account: string;
  readonly device: number;
  readonly keys: DeviceKeys;
  /** Replaced by `rotate`. */
  signedPreKey: SignedPreKey;
  preKeys: PublicPreKey[];
  /** By `tag:id:type`, in the order of sending: delivered again at the next login until it is confirmed. */
  readonly unconfirmed: Map<string, BinaryNode>;
};

export type Account = {
  readonly phone: string;
  readonly companions: Map<number, Companion>;
  /** Numbers are not used again: a client that was unlinked must not get in by another's. */
  nextDevice: number;
  /** Who has written to it: a restricted account may still write to them. */
  readonly correspondents: Set<string>;
};

export interface Accounts {
  readonly all: ReadonlyMap<string, Account>;
  find(phone: string): Account | undefined;
  companion(phone: string, device: number): Companion | undefined;
  link(phone: string, keys: DeviceKeys): Companion;
  unlink(companion: Companion): void;
  restore(account: Account): void;
}

export function createAccounts(): Accounts {
  const accounts = new Map<string, Account>();

  return {
    all: accounts,
    find: (phone) => accounts.get(phone),
    companion: (phone, device) => accounts.get(phone)?.companions.get(device),
    link(phone, keys) {
      let account = accounts.get(phone);
      if (!account) accounts.set(phone, (account = { phone, companions: new Map(), nextDevice: 1, correspondents: new Set() }));
      const companion: Companion = { account: phone, device: account.nextDevice++, keys, signedPreKey: keys.signedPreKey, preKeys: [], unconfirmed: new Map() };
      account.companions.set(companion.device, companion);
      return companion;
    },
    unlink: ({ account, device }) => void accounts.get(account)?.companions.delete(device),
    restore: (account) => void accounts.set(account.phone, account),
  };
}
