// The API of a server in a process of its own, as an integration uses it.

import { createClient } from "graphql-ws";
import { WebSocket } from "ws";
import type { Loose } from "./server.ts";

export type GraphqlClient = {
  /** The first field's value. Fails on errors, and on user errors. */
  ask(query: string, variables?: Record<string, unknown>): Promise<Loose>;
  /** Everything that a subscription tells from now on. */
  follow(query: string, variables?: Record<string, unknown>): { readonly heard: Loose[]; stop(): void };
  dispose(): Promise<void>;
};

export function graphqlClient(url: string, token: string): GraphqlClient {
  const authorization = `Bearer ${token}`;
  const client = createClient({ url: `${url.replace("http", "ws")}/graphql`, webSocketImpl: WebSocket, connectionParams: { Authorization: authorization }, retryAttempts: 0 });
  return {
    async ask(query, variables = {}) {
      const response = await fetch(`${url}/graphql`, { method: "POST", headers: { "content-type": "application/json", authorization }, body: JSON.stringify({ query, variables }) });
      const { data, errors } = (await response.json()) as Loose;
      if (errors) throw new Error(JSON.stringify(errors));
      const [payload] = Object.values(data) as Loose[];
      if (payload?.userErrors?.length) throw new Error(JSON.stringify(payload.userErrors));
      return payload;
    },
    follow(query, variables = {}) {
      const heard: Loose[] = [];
      const stop = client.subscribe<Loose>({ query, variables }, { next: ({ data }) => void heard.push(...Object.values(data ?? {})), error: (error) => void heard.push({ error }), complete() {} });
      return { heard, stop };
    },
    dispose: async () => client.dispose(),
  };
}
