// A small client of the API that outlives restarts of the server, as an integration's should.

import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "graphql-ws";
import { FlowEventsDocument, type FlowEventsSubscription, type TypedDocumentString } from "../../schema/client/graphql.ts";

const RETRY_MS = 250;
const GIVE_UP_AFTER_MS = 300_000;

/** The server has answered, and refused. The message is its own. */
class RefusedError extends Error {
  override name = "RefusedError";
}

export type FlowEvent = FlowEventsSubscription["flowEvents"];

export interface Client {
  /** Asks again while the server cannot be reached. Rejects with RefusedError where it answers with errors. */
  ask<T, V>(document: TypedDocumentString<T, V>, variables: V): Promise<T>;
  /** Streams a CSV file to the server, again where the connection broke: the same rows twice do no harm. Returns the import's id. */
  importCsv(csv: Uint8Array<ArrayBuffer>, fileName: string): Promise<string>;
  /** Every flow event from now on, through restarts of the server. Returns how to stop. */
  onFlowEvent(heard: (event: FlowEvent) => void): () => Promise<void>;
}

export function createApiClient(url: string, token: string): Client {
  const authorization = `Bearer ${token}`;

  return {
    ask: (document, variables) =>
      persistently(async () => {
        const answer = await post(`${url}/graphql`, { authorization, "content-type": "application/json" }, JSON.stringify({ query: document, variables }));
        return answer["data"] as never;
      }),

    importCsv: (csv, fileName) =>
      persistently(async () => {
        const answer = await post(`${url}/imports/leads?fileName=${encodeURIComponent(fileName)}`, { authorization, "content-type": "text/csv" }, csv);
        if (answer["status"] !== "COMPLETED") throw new Error("the import was cut off");
        return String(answer["id"]);
      }),

    onFlowEvent(heard) {
      // Without its own retries: they would subscribe with the variables of the first time, and each try is to begin where the last one ended.
      const client = createClient({ url: `${url.replace(/^http/, "ws")}/graphql`, connectionParams: { Authorization: authorization }, retryAttempts: 0 });
      let after: string | undefined;
      let stopped = false;
      const follow = async () => {
        while (!stopped) {
          try {
            const variables = after === undefined ? {} : { after };
            for await (const { data } of client.iterate<FlowEventsSubscription>({ query: FlowEventsDocument.toString(), variables })) {
              if (!data) continue;
              after = data.flowEvents.cursor;
              heard(data.flowEvents);
            }
          } catch {
            if (!stopped) await delay(RETRY_MS);
          }
        }
      };
      const following = follow();
      return async () => {
        stopped = true;
        await client.dispose();
        await following;
      };
    },
  };
}

async function post(url: string, headers: Record<string, string>, body: string | Uint8Array<ArrayBuffer>): Promise<Record<string, unknown>> {
  const response = await fetch(url, { method: "POST", headers, body });
  if (response.status >= 500) throw new Error(`the server answers ${response.status}`);
  const answer = (await response.json()) as Record<string, unknown> & { errors?: { message: string }[] };
  if (answer.errors?.[0]) throw new RefusedError(answer.errors[0].message);
  return answer;
}

async function persistently<T>(run: () => Promise<T>): Promise<T> {
  for (const since = Date.now(); ; ) {
    try {
      return await run();
    } catch (error) {
      if (error instanceof RefusedError || Date.now() - since > GIVE_UP_AFTER_MS) throw error;
      await delay(RETRY_MS);
    }
  }
}
