// What an endpoint may be given.

import { invalid, type UserError } from "../lib/errors.ts";
import { isOfHosts, isPrivateLiteral } from "../lib/public-address.ts";
import type { EventType } from "../events/types.ts";

export type EndpointInput = {
  readonly url?: string | null | undefined;
  readonly description?: string | null | undefined;
  readonly eventTypes?: readonly EventType[] | null | undefined;
};

const MAX_URL_LENGTH = 2000;
const MAX_DESCRIPTION_LENGTH = 500;

/** What is wrong with what is given; what is left out (undefined) is not looked at. `privateHosts`: host:port of the operator's own servers. */
export function endpointProblems({ url, description, eventTypes }: EndpointInput, privateHosts: readonly string[]): UserError[] {
  const urlProblem = url === undefined ? undefined : problemOfUrl(url ?? "", privateHosts);
  return [
    ...(urlProblem ? [invalid(urlProblem, "input", "url")] : []),
    ...((description ?? "").length > MAX_DESCRIPTION_LENGTH ? [invalid(`A description has at most ${MAX_DESCRIPTION_LENGTH} characters.`, "input", "description")] : []),
    ...(eventTypes !== undefined && (eventTypes ?? []).length === 0 ? [invalid("Name at least one type of event to be told of.", "input", "eventTypes")] : []),
  ];
}

/** Why messages cannot be posted there; undefined where they can, as far as the address itself shows. */
export function problemOfUrl(text: string, privateHosts: readonly string[]): string | undefined {
  if (text.length > MAX_URL_LENGTH) return `An address has at most ${MAX_URL_LENGTH} characters.`;
  if (!URL.canParse(text)) return "url must be a whole address, such as https://example.com/webhooks.";
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") return "The address must not hold a user name or a password: that a message is yours is told by its signature.";
  if (isOfHosts(url, privateHosts)) return ["http:", "https:"].includes(url.protocol) ? undefined : HTTPS_ONLY;
  if (url.protocol !== "https:") return HTTPS_ONLY;
  return isPrivateLiteral(url) ? "The address leads into a private network, where nothing is posted to. Name the server in RENTAK_WEBHOOK_PRIVATE_HOSTS if it is your own." : undefined;
}

const HTTPS_ONLY = "url must begin with https://: what is posted tells of your customers. Without TLS only servers that RENTAK_WEBHOOK_PRIVATE_HOSTS names are posted to.";

/** What those answer that name an endpoint that is none of the workspace's. */
export const notFound = (field: readonly string[]) => ({ code: "NOT_FOUND", message: "There is no webhook endpoint with this id.", field }) as const;
