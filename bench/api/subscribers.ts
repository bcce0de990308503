// A process of many subscribers, each with a WebSocket of its own. They speak graphql-ws's protocol by themselves and read no further than the kind of
// a message: reading 40,000 of them a second as a client does would take more of the machine than writing them. Told what by a message, it tells how far
// it is, again and again.

import { WebSocket } from "ws";

export type SubscribersOrder = {
  /** Of the WebSockets. */
  readonly url: string;
  /** What each subscriber says of itself. */
  readonly authorizations: readonly string[];
  readonly query: string;
};

/** `hearing`: the subscribers that have been told something. `failures`: of the deliveries, those that told of an error. */
export type Heard = { readonly hearing: number; readonly deliveries: number; readonly failures: number; readonly bytes: number };

const REPORT_MS = 20;
/** Opened at a time. */
const AT_ONCE = 50;

let [hearing, deliveries, failures, bytes] = [0, 0, 0, 0];

process.once("disconnect", () => process.exit(0));
process.once("message", (order) => void subscribeAll(order as SubscribersOrder));

async function subscribeAll({ url, authorizations, query }: SubscribersOrder): Promise<void> {
  for (let from = 0; from < authorizations.length; from += AT_ONCE) {
    await Promise.all(authorizations.slice(from, from + AT_ONCE).map((authorization) => subscribe(url, authorization, query)));
  }
  setInterval(() => process.send?.({ hearing, deliveries, failures, bytes } satisfies Heard), REPORT_MS);
}

/** Resolves when the server has been told what is wanted. It gives no answer to that but the events. */
function subscribe(url: string, authorization: string, query: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, "graphql-transport-ws");
    let isHearing = false;
    socket.on("open", () => socket.send(JSON.stringify({ type: "connection_init", payload: { authorization } })));
    socket.on("message", (data: Buffer) => {
      // The kind stands at the end or at the beginning, as the server likes it.
      const text = data.toString("latin1");
      if (text.includes('"type":"connection_ack"')) {
        socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query } }));
        resolve();
      } else if (text.includes('"type":"next"')) {
        deliveries++;
        if (text.includes('"errors":')) failures++;
        bytes += data.length;
        if (!isHearing) hearing++;
        isHearing = true;
      } else if (text.includes('"type":"ping"')) {
        socket.send('{"type":"pong"}');
      } else {
        fail(text);
      }
    });
    socket.on("close", (code, reason) => fail(`closed with ${code} ${reason.toString()}`));
    socket.on("error", (error) => fail(error.message));
  });
}

function fail(what: string): never {
  console.error(`a subscriber was told: ${what.slice(0, 500)}`);
  process.exit(1);
}
