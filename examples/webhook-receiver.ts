// `WEBHOOK_SECRET=whsec_… npm run webhook-receiver`: what receives webhooks. It takes nothing that is not signed, and works in each message once.

import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { fail } from "./local-server.ts";

const { WEBHOOK_SECRET, WEBHOOK_PORT = "4200" } = process.env;

if (!/^whsec_[A-Za-z0-9+/]+=*$/.test(WEBHOOK_SECRET ?? "")) fail("Set WEBHOOK_SECRET to the secret that createWebhookEndpoint answered with: it begins with whsec_.");
const webhook = new Webhook(WEBHOOK_SECRET ?? "");

/** Of messages that were worked in: one can come twice. A real receiver keeps them in its database, in the transaction that does the work. */
const seen = new Set<string>();

type Message = { readonly type: string; readonly timestamp: string; readonly data: Readonly<Record<string, unknown>> };

async function receive(request: IncomingMessage): Promise<number> {
  const body = await text(request);
  const id = String(request.headers["webhook-id"]);
  let message: Message;
  try {
    // Over the bytes as they came: parsed and written again they are others. It also refuses what is older than five minutes.
    message = webhook.verify(body, request.headers as Record<string, string>) as Message;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return 401;
    throw error;
  }
  if (!seen.has(id)) {
    seen.add(id);
    console.log(JSON.stringify({ id, ...message }));
  }
  return 204; // soon: what takes longer than twenty seconds is sent again
}

const server = createServer((request, response) => {
  receive(request).then(
    (status) => response.writeHead(status).end(),
    () => response.writeHead(500).end(), // and it is sent again
  );
});
server.on("error", ({ message }) => fail(`It cannot listen: ${message}. Set WEBHOOK_PORT to another port.`));
server.listen(Number(WEBHOOK_PORT), "127.0.0.1", () => {
  const address = server.address();
  console.error(`Receiving at http://127.0.0.1:${typeof address === "object" ? address?.port : address}/`);
});
