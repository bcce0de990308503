// Rentak as `npm start` runs it, with every protection on.

import { type Server, startServer } from "../dispatch/rentak.ts";

const TOKEN = "rentak_bench_of_the_api_0123456789";

/** What a new installation has, where the other benches have what is best for sending; empty counts as not set. But one token asks more often here
 *  than it may by default, and is still counted. */
const SETTINGS = {
  RENTAK_DISPATCH_INTERVAL_MS: "",
  RENTAK_CLAIM_BATCH: "",
  RENTAK_SEND_CONCURRENCY: "",
  RENTAK_MAX_DEVICES: "",
  RENTAK_ENROLL_PER_SECOND: "",
  RENTAK_ADMIN_TOKEN: TOKEN,
  RENTAK_API_REQUESTS_PER_MINUTE: "1000000",
  LOG_LEVEL: "fatal", // what fails is counted here, and may be too much to be logged
};

export const AUTHORIZATION = `Bearer ${TOKEN}`;

export const startRentak = (url: string, nodeArguments: readonly string[], settings: Readonly<Record<string, string>> = {}): Promise<Server> =>
  startServer(url, nodeArguments, { ...SETTINGS, ...settings });

/** Asks as an administrator. Throws on errors. */
export async function ask<T>(server: Server, query: string, variables: Record<string, unknown> = {}): Promise<T> {
  const response = await fetch(`${server.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: AUTHORIZATION },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: T; errors?: unknown };
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}
