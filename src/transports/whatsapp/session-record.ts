// libsignal never forgets: each answer leaves a closed chain behind, each new session a closed one, and a record of some kilobytes is read, sealed and
// written with each message (seen: 35 KB; a row beyond 2 KB is no longer updated in place).

type Chain = { readonly chainKey: { readonly counter: number; readonly key?: string }; readonly messageKeys: Readonly<Record<string, string>> };

type SessionEntry = {
  readonly indexInfo: { readonly closed: number; readonly used?: number };
  readonly currentRatchet: { readonly ephemeralKeyPair: { readonly pubKey: string }; readonly lastRemoteEphemeralKey: string };
  /** The oldest first. */
  readonly _chains: Readonly<Record<string, Chain>>;
};

/** As `SessionRecord.serialize` of libsignal gives it. */
export type SessionRecord = { readonly _sessions: Readonly<Record<string, SessionEntry>>; readonly version: string };

const OPEN = -1;

/** Sessions that were closed are needed for what was written before the other side knew of the new one. */
const CLOSED_SESSIONS = 3;

type Bounds = { /** Earlier ones of the other side, for what comes late. */ readonly earlierChains: number; /** Of messages that were passed over. */ readonly messageKeys: number };

const OPEN_BOUNDS: Bounds = { earlierChains: 4, messageKeys: 40 };
const CLOSED_BOUNDS: Bounds = { earlierChains: 1, messageKeys: 10 };

/** Without what would hardly be needed again. A message that would have needed it cannot be read: it is asked for, and comes, anew. */
export function trimmed(record: SessionRecord): SessionRecord {
  const entries = Object.entries(record._sessions);
  const open = entries.filter(([, { indexInfo }]) => indexInfo.closed === OPEN);
  const closed = entries.filter(([, { indexInfo }]) => indexInfo.closed !== OPEN).toSorted(([, a], [, b]) => lastOf(b) - lastOf(a));
  return {
    version: record.version,
    _sessions: Object.fromEntries([
      ...open.map(([key, session]) => [key, trimmedSession(session, OPEN_BOUNDS)] as const),
      ...closed.slice(0, CLOSED_SESSIONS).map(([key, session]) => [key, trimmedSession(session, CLOSED_BOUNDS)] as const),
    ]),
  };
}

const lastOf = ({ indexInfo }: SessionEntry) => Math.max(indexInfo.closed, indexInfo.used ?? 0);

function trimmedSession(session: SessionEntry, { earlierChains, messageKeys }: Bounds): SessionEntry {
  const { ephemeralKeyPair, lastRemoteEphemeralKey } = session.currentRatchet;
  const chains = Object.entries(session._chains);
  const isCurrent = (key: string) => key === ephemeralKeyPair.pubKey || key === lastRemoteEphemeralKey;
  const surplus = chains.filter(([key]) => !isCurrent(key)).length - earlierChains;
  let passed = 0;
  const kept = chains.filter(([key]) => isCurrent(key) || ++passed > surplus);

  // The newest chain first: what is bounded is the session, not each of its chains.
  let room = messageKeys;
  const bounded = kept.toReversed().map(([key, chain]) => {
    // Numbers as keys: they come in their order.
    const numbers = Object.keys(chain.messageKeys);
    const taken = room > 0 ? numbers.slice(-room) : [];
    room -= taken.length;
    return [key, taken.length === numbers.length ? chain : { ...chain, messageKeys: pick(chain.messageKeys, taken) }] as const;
  });
  return { ...session, _chains: Object.fromEntries(bounded.toReversed()) };
}

const pick = (keys: Readonly<Record<string, string>>, numbers: readonly string[]) => Object.fromEntries(Object.entries(keys).filter(([number]) => numbers.includes(number)));
