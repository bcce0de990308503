// Fetches a file from a URL that somebody outside has given. Every hop is looked at anew: a public address may redirect into a private one.

import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { SECOND_MS } from "../lib/clock.ts";
import { createPlaces } from "../lib/places.ts";
import { MAX_MEDIA_BYTES } from "./kinds.ts";
import { isOfHosts, isPrivateLiteral, lookupPublic, PrivateAddressError } from "../lib/public-address.ts";

export type Fetched = { readonly ok: true; readonly bytes: Buffer; readonly fileName: string } | { readonly ok: false; readonly problem: string };

/** Never rejects: what is wrong is said in a sentence that shows nothing of what the address answered. */
export type FetchMedia = (url: string) => Promise<Fetched>;

export type FetchMediaOptions = {
  /** host:port of servers that may be private all the same: the operator's own. */
  readonly privateHosts: readonly string[];
  readonly timeoutMs?: number;
};

const TIMEOUT_MS = 20 * SECOND_MS;
const MAX_REDIRECTS = 3;
/** Each may have a whole file in memory. */
const AT_ONCE = 4;

export function createFetchMedia({ privateHosts, timeoutMs = TIMEOUT_MS }: FetchMediaOptions): FetchMedia {
  const places = createPlaces<() => void>(AT_ONCE, (enter) => enter());

  const followed = async (text: string, signal: AbortSignal): Promise<Fetched> => {
    let url = parse(text);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      if (url === undefined) return failed("Only http and https addresses can be fetched, without a user name, such as https://example.com/picture.jpg.");
      const isOwn = isOfHosts(url, privateHosts);
      if (!isOwn && isPrivateLiteral(url)) return failed(PRIVATE);
      const response = await get(url, isOwn, signal);
      const { statusCode = 0, headers } = response;
      if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
        response.destroy();
        url = parse(headers.location, url);
        continue;
      }
      return statusCode === 200 ? read(response, url) : drop(response, `The address answered with status ${statusCode} instead of the file.`);
    }
    return failed(`The address redirects more than ${MAX_REDIRECTS} times; give the one where the file is.`);
  };

  return async (text) => {
    await new Promise<void>((resolve) => places.enter(resolve));
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      return await followed(text, signal);
    } catch (error) {
      return failed(reasonOf(error, signal, timeoutMs));
    } finally {
      places.leave();
    }
  };
}

const PRIVATE = "The address leads into a private network, where nothing is fetched from. Put the file on a public server, or upload it.";

const failed = (problem: string): Fetched => ({ ok: false, problem });

function drop(response: IncomingMessage, problem: string): Fetched {
  response.destroy();
  return failed(problem);
}

/** `file:` and others are no addresses of the internet; credentials in a URL would stand in logs. */
function parse(text: string, base?: URL): URL | undefined {
  if (!URL.canParse(text, base)) return undefined;
  const url = new URL(text, base);
  return ["http:", "https:"].includes(url.protocol) && url.username === "" && url.password === "" ? url : undefined;
}

function get(url: URL, isOwn: boolean, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = url.protocol === "https:" ? requestHttps : requestHttp;
    // agent: false: a connection of its own, never one that somebody else's lookup has opened.
    request(url, { agent: false, signal, headers: { "user-agent": "Rentak", accept: "*/*" }, ...(isOwn ? {} : { lookup: lookupPublic }) }, resolve).once("error", reject).end();
  });
}

const TOO_LARGE = `The file has more than ${MAX_MEDIA_BYTES / 1e6} MB, which is the most that can be sent; give a smaller one.`;

async function read(response: IncomingMessage, url: URL): Promise<Fetched> {
  if (Number(response.headers["content-length"] ?? 0) > MAX_MEDIA_BYTES) return drop(response, TOO_LARGE);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > MAX_MEDIA_BYTES) return drop(response, TOO_LARGE);
  }
  return { ok: true, bytes: Buffer.concat(chunks), fileName: lastPartOf(url) };
}

function lastPartOf({ pathname }: URL): string {
  const part = pathname.slice(pathname.lastIndexOf("/") + 1);
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function reasonOf(error: unknown, signal: AbortSignal, timeoutMs: number): string {
  if (signal.aborted) return `The file did not come within ${timeoutMs / SECOND_MS} seconds; try again, or upload it.`;
  if (error instanceof PrivateAddressError) return PRIVATE;
  const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
  return `The address could not be read${code}; look whether it opens in a browser.`;
}
