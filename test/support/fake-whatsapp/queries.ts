// The queries (iq) of a device that is logged in. Each gets an answer: a client that waits for one waits a minute.

import type { Accounts } from "./accounts.ts";
import { addressOf, phoneJid } from "./addresses.ts";
import type { Behaviours } from "./behaviour.ts";
import { askedFor, bundles, digest, preKeyCount, storeRotated, storeUploaded, takeBundle } from "./key-queries.ts";
import { lookUp } from "./lookups.ts";
import { resultOf } from "./pairing.ts";
import type { People } from "./people.ts";
import { accountInformation } from "./restriction.ts";
import type { Session, Sessions } from "./sessions.ts";
import { type BinaryNode, child, children, element } from "./stanza.ts";
import type { Witness } from "./witness.ts";

export type QueryOptions = {
  readonly accounts: Accounts;
  readonly people: People;
  readonly sessions: Sessions;
  readonly behaviours: Behaviours;
  readonly witness: Witness;
  /** Where its media servers are: host and port. */
  readonly mediaHost: () => string;
  /** Something has changed that has to survive a restart. */
  readonly changed: () => void;
};

/** What is to stand in the answer; undefined where the query is not known. */
type Content = BinaryNode[] | undefined;

export function answerQuery(session: Session, query: BinaryNode, options: QueryOptions): void {
  const type = query.attrs["type"];
  if (type === "result" || type === "error" || !options.behaviours.of(session.account).answersQueries) return;
  const content = contentOf(session, query, options);
  if (!content) {
    const inner = children(query)[0]?.tag ?? "nothing";
    const { connection, account } = session;
    options.witness.record({ kind: "unknown query", connection: connection.id, account, query: `${query.attrs["xmlns"]} ${type} ${inner}` });
  }
  session.connection.send(resultOf(query, content));
}

function contentOf(session: Session, query: BinaryNode, options: QueryOptions): Content {
  switch (query.attrs["xmlns"]) {
    case "encrypt":
      return aboutKeys(session, query, options);
    case "usync":
      return directory(session, query, options);
    case "abt":
      return [element("props", { protocol: 1, ab_key: "fake", refresh: 86_400 }, [element("prop", { config_code: 10_518, config_value: "true" })])];
    case "privacy":
      return query.attrs["type"] === "get" ? [element("privacy", {}, [element("category", { name: "readreceipts", value: "all" })])] : [];
    case "blocklist":
      return [element("list")];
    case "w:m":
      return [element("media_conn", { auth: "fake", ttl: 3600, auth_ttl: 3600, max_buckets: 12 }, [element("host", { hostname: options.mediaHost(), maxContentLengthBytes: 1 << 26 })])];
    case "w:mex":
      return accountInformation(options.behaviours.of(session.account));
    case "md":
      return aboutDevices(session, query, options);
    case "w:sync:app:state":
      return [element("sync", {}, children(child(query, "sync"), "collection").map(({ attrs }) => element("collection", { name: attrs["name"], version: 0 })))];
    case "w:p":
    case "passive":
    case "w:stats":
    case "urn:xmpp:whatsapp:dirty":
      return [];
    default:
      return undefined;
  }
}

function aboutKeys({ companion, connection, account }: Session, query: BinaryNode, { accounts, people, witness, changed }: QueryOptions): Content {
  if (child(query, "count")) return [preKeyCount(companion)];
  if (child(query, "digest")) return [digest(companion)];
  if (child(query, "key")) {
    const jids = askedFor(query);
    witness.record({ kind: "keys", connection: connection.id, account, phones: jids.flatMap((jid) => addressOf(jid)?.phone ?? []) });
    return [
      bundles(jids, people, (phone, device) => {
        if (device === 0) return accounts.find(phone) && people.phoneOf(phone).bundle();
        const asked = accounts.companion(phone, device);
        return asked && takeBundle(asked);
      }),
    ];
  }
  if (child(query, "rotate")) storeRotated(companion, query);
  else witness.record({ kind: "uploaded", connection: connection.id, account, count: storeUploaded(companion, query) });
  changed();
  return [];
}

function directory({ connection, account }: Session, query: BinaryNode, { accounts, people, witness }: QueryOptions): Content {
  const { answer, of, phones } = lookUp(query, { accounts, people });
  witness.record({ kind: "lookup", connection: connection.id, account, of, phones });
  return [answer];
}

function aboutDevices({ companion, account, connection }: Session, query: BinaryNode, { accounts, witness, changed }: QueryOptions): Content {
  const removed = child(query, "remove-companion-device");
  if (!removed) return undefined;
  accounts.unlink(companion);
  changed();
  witness.record({ kind: "unlinked", account, device: phoneJid(account, companion.device), by: "device" });
  setImmediate(() => connection.close("logged out by the device"));
  return [];
}
