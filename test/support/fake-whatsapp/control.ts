// For other processes, on the server's own port: POST /control with `{ "command": "read", "arguments": ["60123456789", "3EB0…"] }`, where a command is
// any of those below and its arguments are those of the FakeWhatsapp, and GET /witness for the log as lines of JSON, `?after=NUMBER` for what is new.

import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { BufferJSON } from "baileys";
import type { FakeWhatsapp } from "./fake.ts";

const COMMANDS: readonly string[] = [
  ...["scan", "enterCode", "link", "unlink", "setAbsent", "setDevices", "reply", "deliver", "read", "forgetConversations"],
  ...["behave", "behaveWell", "restrict", "throwStreamError", "close", "destroy", "silence", "resume", "setGate", "cutAll"],
];

type Command = (...given: unknown[]) => unknown;

export function createControl(fake: () => FakeWhatsapp | undefined): RequestListener {
  return (request, response) => {
    const server = fake();
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    if (!server) response.writeHead(503).end();
    else if (request.method === "POST" && pathname === "/control") void control(server, request, response);
    else if (request.method === "GET" && pathname === "/witness") witness(server, Number(searchParams.get("after") ?? 0), response);
    else response.writeHead(404).end();
  };
}

async function control(server: FakeWhatsapp, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const { command, arguments: given = [] } = JSON.parse(await text(request), dates) as { command: string; arguments?: unknown[] };
    if (!COMMANDS.includes(command)) throw new Error(`no such command: ${command}`);
    const run = server[command as keyof FakeWhatsapp] as Command;
    const result = await run(...given);
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ result: result ?? null }, BufferJSON.replacer));
  } catch (error) {
    response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ error: error instanceof Error ? error.message : "failed" }));
  }
}

function witness(server: FakeWhatsapp, after: number, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  for (const entry of server.witness.entries) if (entry.number > after) response.write(`${JSON.stringify(entry)}\n`);
  response.end();
}

/** `restrict` takes one. */
function dates(_key: string, value: unknown): unknown {
  return typeof value === "string" && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) ? new Date(value) : value;
}
