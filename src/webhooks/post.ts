// One attempt: posts a message, and tells how that went. The answer's text is never read: it would show whoever has made the endpoint what a server says that is
// none of theirs.

import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { type Clock, SECOND_MS } from "../lib/clock.ts";
import { isOfHosts, lookupPublic, PrivateAddressError } from "../lib/public-address.ts";
import { problemOfUrl } from "./input.ts";

export type Posted = {
  /** Null where there was no answer. */
  readonly status: number | null;
  /** Null where it was taken. */
  readonly error: string | null;
  /** What the receiver asked for by Retry-After. */
  readonly retryAfterMs: number;
  readonly durationMs: number;
};

/** Never rejects. */
export interface Poster {
  post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<Posted>;
  /** Ends what is under way, and closes the connections that are kept for what comes next. */
  close(): void;
}

export type PosterOptions = { readonly privateHosts: readonly string[]; readonly clock: Clock; readonly timeoutMs?: number };

const TIMEOUT_MS = 20 * SECOND_MS;
/** An answer that has more is cut off with its connection. */
const MOST_READ = 64 * 1024;

export function createPoster({ privateHosts, clock, timeoutMs = TIMEOUT_MS }: PosterOptions): Poster {
  // Apart from one another: a connection that is kept was looked at when it was opened, or needed not to be.
  const own = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) };
  const publicOnly = new HttpsAgent({ keepAlive: true });
  const closing = new AbortController();

  const begin = (url: URL, options: { headers: Readonly<Record<string, string>>; signal: AbortSignal }, body: string) => {
    const isOwn = isOfHosts(url, privateHosts);
    return new Promise<IncomingMessage>((resolve, reject) => {
      const given = { ...options, method: "POST" };
      const request = !isOwn
        ? requestHttps(url, { ...given, agent: publicOnly, lookup: lookupPublic }, resolve)
        : url.protocol === "https:" ? requestHttps(url, { ...given, agent: own.https }, resolve) : requestHttp(url, { ...given, agent: own.http }, resolve);
      request.once("error", reject).end(body);
    });
  };

  return {
    async post(text, headers, body) {
      const startedAt = clock.monotonic();
      const ended = (part: Omit<Posted, "durationMs">): Posted => ({ ...part, durationMs: Math.round(clock.monotonic() - startedAt) });
      const failed = (error: string) => ended({ status: null, error, retryAfterMs: 0 });
      // Looked at again: the operator's own hosts may be others than when it was made.
      const problem = problemOfUrl(text, privateHosts);
      if (problem !== undefined) return failed(problem);
      const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), closing.signal]);
      try {
        const response = await begin(new URL(text), { headers: { ...headers, "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }, signal }, body);
        discard(response);
        const status = response.statusCode ?? 0;
        return ended({ status, error: problemOfStatus(status), retryAfterMs: secondsOf(response.headers["retry-after"]) * SECOND_MS });
      } catch (error) {
        return failed(closing.signal.aborted ? "This server was stopped before the answer came." : reasonOf(error, signal, timeoutMs));
      }
    },
    close() {
      closing.abort();
      for (const agent of [own.http, own.https, publicOnly]) agent.destroy();
    },
  };
}

/** So that the connection can be used again; unless that would take long. */
function discard(response: IncomingMessage): void {
  let length = 0;
  response.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (length > MOST_READ) response.destroy();
  });
  response.on("error", () => {}); // its status has been told by then
}

function problemOfStatus(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400) return `It answered with ${status}, a redirect, which is not followed; give the address that it leads to.`;
  return status === 410 ? "It answered with 410: it wants no messages any more." : `It answered with ${status} instead of 200.`;
}

const secondsOf = (text: string | undefined): number => (/^\d{1,6}$/.test(text ?? "") ? Number(text) : 0);

function reasonOf(error: unknown, signal: AbortSignal, timeoutMs: number): string {
  if (signal.aborted) return `It did not answer within ${timeoutMs / SECOND_MS} seconds.`;
  if (error instanceof PrivateAddressError) return "The address leads into a private network, where nothing is posted to.";
  const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
  return `It could not be reached${code}.`;
}
