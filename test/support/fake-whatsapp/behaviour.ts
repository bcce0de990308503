// How the server and the people behave: as a rule well, and as badly as a test wants, for one account or for all.

export type Behaviour = {
  /** `accept` takes messages, `drop` takes them and does not say so, `{ refuse }` takes none: 463, 479, 429, … */
  readonly ack: "accept" | "drop" | { readonly refuse: number };
  readonly ackAfterMs: number;
  /** Restricted: takes messages only to people who have written to the account, and refuses others with 463. */
  readonly isRestricted: boolean;
  readonly restrictedUntil: Date | null;
  /** From the message to its receipt; null where none comes. */
  readonly deliverAfterMs: number | null;
  readonly readAfterMs: number | null;
  /** Each person answers each message; null where nobody does. */
  readonly reply: { readonly text: string; readonly afterMs: number; readonly from: "pn" | "lid" } | null;
  /** How often a person asks for a message again before it is content with it. */
  readonly asksAgain: number;
  /** `{ refuse }` answers with a failure: 401, 403, 405, 429, 463, 500, 503, … */
  readonly login: "accept" | { readonly refuse: number };
  /** `{ refuse }` answers uploads with that status; of all accounts together. */
  readonly media: "accept" | { readonly refuse: number };
  /** False: queries get no answer. */
  readonly answersQueries: boolean;
};

const WELL: Behaviour = {
  ack: "accept",
  ackAfterMs: 0,
  isRestricted: false,
  restrictedUntil: null,
  deliverAfterMs: 1,
  readAfterMs: null,
  reply: null,
  asksAgain: 0,
  login: "accept",
  media: "accept",
  answersQueries: true,
};

export interface Behaviours {
  of(account: string): Behaviour;
  /** Adds to what was set before. An account's own settings go before those for all. */
  set(change: Partial<Behaviour>, account?: string): void;
  /** All well again. */
  reset(): void;
}

export function createBehaviours(): Behaviours {
  const ofAccounts = new Map<string, Partial<Behaviour>>();
  let general: Behaviour = WELL;

  return {
    of: (account) => {
      const own = ofAccounts.get(account);
      return own ? { ...general, ...own } : general;
    },
    set(change, account) {
      if (account === undefined) general = { ...general, ...change };
      else ofAccounts.set(account, { ...ofAccounts.get(account), ...change });
    },
    reset() {
      general = WELL;
      ofAccounts.clear();
    },
  };
}
