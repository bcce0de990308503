// GET /metrics. What is told there is of all workspaces, so that no token of one of them opens it.

import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { hashOf } from "../access/secret.ts";
import type { Metrics } from "./metrics.ts";

/** Set by whatever stands between a client and us: a proxy on this machine speaks for somebody else. */
const FORWARDED = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"] as const;

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

/** `token`: RENTAK_METRICS_TOKEN. Where it is not set, whoever runs a program on this machine may read them, and nobody else. */
export function createMetricsHandler(metrics: Metrics, token: string | undefined) {
  const isOpen = ({ headers, socket }: IncomingMessage): boolean => {
    if (token === undefined) return LOOPBACK.test(socket.remoteAddress ?? "") && FORWARDED.every((name) => headers[name] === undefined);
    const [, given = ""] = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? "") ?? [];
    return timingSafeEqual(hashOf(given), hashOf(token));
  };
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const refuse = (status: number, text: string, headers = {}) => void response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...headers }).end(`${text}\n`);
    if (request.method !== "GET") return refuse(405, "Metrics are read with GET.", { allow: "GET" });
    if (!isOpen(request)) {
      if (token !== undefined) return refuse(401, "Send the header 'Authorization: Bearer <RENTAK_METRICS_TOKEN>'.", { "www-authenticate": "Bearer" });
      return refuse(403, "Metrics are told to programs on this machine only. Set RENTAK_METRICS_TOKEN, and let Prometheus send it as a bearer token.");
    }
    const { contentType, text } = await metrics.scrape();
    response.writeHead(200, { "content-type": contentType }).end(text);
  };
}
