// What an outsider tries: the attacks of OWASP's GraphQL cheat sheet, and those that any HTTP server hears. Each by name, against real HTTP.

import { readFileSync } from "node:fs";
import { buildSchema } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBell } from "../../src/events/bell.ts";
import { createEventLog } from "../../src/events/log.ts";
import { createTailer } from "../../src/events/tailer.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { one, silent } from "../support/factories.ts";
import { furnish } from "../support/furnish.ts";
import { INJECTIONS, type InputPlace, inputPlacesOf, NUMBERS, TIMES } from "../support/input-places.ts";
import { type Ids, operationAt } from "../support/isolation.ts";
import { testServer, type TestServer } from "../support/server.ts";

const schema = buildSchema(readFileSync(new URL("../../schema/schema.graphql", import.meta.url), "utf8"));
const places = inputPlacesOf(schema);

let server: TestServer;
let stopTailer: () => Promise<void>;

beforeAll(async () => {
  const bell = createBell();
  server = await testServer(async ({ pool }) => {
    const tailer = createTailer({ pool, bell, clock: systemClock, logger: silent });
    stopTailer = () => tailer.stop();
    return { bell, events: createEventLog({ pool, tailer, generation: (await one<{ log_generation: string }>(pool, "SELECT log_generation FROM installation")).log_generation }) };
  });
});
afterAll(async () => {
  await stopTailer();
  await server.stop();
});

/** A workspace with one of everything, and a token that may do everything in it. */
async function settle(name: string): Promise<{ readonly ids: Ids; readonly secret: string }> {
  const ids = await furnish(server.database.pool, `${name}_${crypto.randomUUID().slice(0, 8)}`);
  return { ids, secret: await server.tokenFor(["ADMIN", "PAIR"], ids["Workspace"]?.slice("Workspace:".length)) };
}

/** What no answer may hold: of the database, of the code, of the machine. */
const LEAK = /INTERNAL_SERVER_ERROR|\bSELECT\b.*\bFROM\b|\bINSERT INTO\b|violates|relation "|at .*\.ts:\d+|node_modules|root:x:/;

type Attack = { readonly place: InputPlace; readonly name: string; readonly value: unknown };

const called = ({ place: { kind, field, path }, name }: Attack) => `${kind} ${field}(${path.join(".")}): ${name}`;

/** Each attack on its own, in a workspace of its own for each mutation; what went wrong. */
async function run(attacks: readonly Attack[]): Promise<string[]> {
  const shared = await settle("Shared");
  const failures: string[] = [];
  for (const [key, group] of Map.groupBy(attacks, ({ place }) => `${place.kind} ${place.field}`)) {
    const { ids, secret } = key.startsWith("mutation") ? await settle("Own") : shared;
    await Promise.all(
      group.map(async (attack) => {
        const { query, variables } = operationAt(schema, attack.place, attack.value, ids);
        const text = attack.place.kind === "subscription" ? await firstOf(query, variables, secret) : JSON.stringify(await server.query(query, variables, secret));
        if (LEAK.test(text)) failures.push(`${called(attack)} → ${text.slice(0, 200)}`);
      }),
    );
  }
  return failures;
}

/** The error with which a subscription is refused; nothing where it is open after a moment. */
async function firstOf(query: string, variables: Record<string, unknown>, secret: string): Promise<string> {
  const leave = AbortSignal.timeout(300);
  try {
    const headers = { "content-type": "application/json", accept: "text/event-stream", authorization: `Bearer ${secret}` };
    const response = await fetch(server.url, { method: "POST", headers, body: JSON.stringify({ query, variables }), signal: leave });
    let text = "";
    for await (const part of response.body ?? []) text += Buffer.from(part).toString();
    return text;
  } catch (error) {
    if (leave.aborted) return "";
    throw error;
  }
}

const TEXTS = ["String", "ID", "PhoneNumber", "Cursor", "TimeZone", "LocalTime"];
const attacksWith = (scalars: readonly string[], values: Readonly<Record<string, unknown>>): Attack[] =>
  places.filter(({ scalar }) => scalars.includes(scalar)).flatMap((place) => Object.entries(values).map(([name, value]) => ({ place, name, value })));

describe("everything that can be written in the schema", () => {
  test.each(Object.entries(INJECTIONS))("injection of %s", { timeout: 120_000 }, async (name, value) => {
    expect(await run(attacksWith(TEXTS, { [name]: value }))).toEqual([]);
    expect(await run(attacksWith(["JSONObject"], { [name]: { [value]: value, list: [{ deep: value }] } }))).toEqual([]);
  });

  test("very long texts", { timeout: 120_000 }, async () => {
    expect(await run(attacksWith(TEXTS, { long: "ab ".repeat(200_000) }))).toEqual([]);
    expect(await run(attacksWith(["JSONObject"], { long: { ["k".repeat(100_000)]: "v".repeat(500_000) } }))).toEqual([]);
  });

  test("numbers out of every range", { timeout: 120_000 }, async () => {
    expect(await run(attacksWith(["Int", "Float"], Object.fromEntries(NUMBERS.map((number) => [String(number), number]))))).toEqual([]);
  });

  test("times far out of range", { timeout: 120_000 }, async () => {
    expect(await run(attacksWith(["DateTime"], Object.fromEntries(TIMES.map((time) => [time, time]))))).toEqual([]);
  });
});
