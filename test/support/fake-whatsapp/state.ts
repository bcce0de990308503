// What has to be kept so that linked devices stay linked when the server is started again. People's keys are made from their numbers, and their
// conversations may be forgotten: they ask for what they cannot read, and begin anew.

import { randomUUID } from "node:crypto";
import type { Account, Accounts, Companion } from "./accounts.ts";
import type { People } from "./people.ts";
import type { BinaryNode } from "./stanza.ts";

/** As JSON keeps it: bytes are in base64. */
export type State = {
  readonly seed: string;
  readonly absent: readonly string[];
  readonly accounts: readonly {
    readonly phone: string;
    readonly nextDevice: number;
    readonly correspondents: readonly string[];
    readonly companions: readonly string[];
  }[];
};

export const newSeed = (): string => randomUUID();

export function stateOf(seed: string, accounts: Accounts, people: People): State {
  return {
    seed,
    absent: [...people.absent],
    accounts: [...accounts.all.values()].map(({ phone, nextDevice, correspondents, companions }) => ({
      phone,
      nextDevice,
      correspondents: [...correspondents],
      companions: [...companions.values()].map((companion) => JSON.stringify({ ...companion, unconfirmed: [...companion.unconfirmed] }, bytesAsText)),
    })),
  };
}

export function restoreAccounts(state: State, accounts: Accounts): void {
  for (const { phone, nextDevice, correspondents, companions } of state.accounts) {
    const account: Account = { phone, nextDevice, correspondents: new Set(correspondents), companions: new Map() };
    for (const text of companions) {
      const companion = JSON.parse(text, textAsBytes) as Companion & { unconfirmed: [string, BinaryNode][] };
      account.companions.set(companion.device, { ...companion, unconfirmed: new Map(companion.unconfirmed) });
    }
    accounts.restore(account);
  }
}

type Bytes = { readonly type: "bytes"; readonly base64: string };

// A Buffer has made an object of itself before it gets here.
function bytesAsText(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key];
  return original instanceof Uint8Array ? ({ type: "bytes", base64: Buffer.from(original).toString("base64") } satisfies Bytes) : value;
}

function textAsBytes(_key: string, value: unknown): unknown {
  const bytes = value as Bytes | null;
  return typeof bytes === "object" && bytes?.type === "bytes" ? Buffer.from(bytes.base64, "base64") : value;
}
