import { buildSchema, type ExecutionArgs, getNamedType, isInterfaceType, isObjectType, parse } from "graphql";
import { expect, test } from "vitest";
import { schema as ourSchema } from "../../../src/graphql/schema.ts";
import { createSharedShows } from "../../../src/graphql/shared-shows.ts";
import type { Clock } from "../../../src/lib/clock.ts";

const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

const schema = buildSchema("type Query { a: Int } type Subscription { sent(after: String): Event } type Event { id: Int text(long: Boolean): String broken: Int }");

function begin() {
  let now = 0;
  let reads = 0;
  let finished = 0;
  const contexts = new Set<unknown>();
  const clock = { monotonic: () => now } as Clock;
  const showOf = createSharedShows(clock, (result) => (finished++, result));
  const event = {
    sent: {
      id: 1,
      text: ({ long }: { long?: boolean }, context: unknown) => (reads++, contexts.add(context), long ? "Selamat pagi" : "Hai"),
      broken: () => {
        throw new Error("broken");
      },
    },
  };
  const subscriber = (document: ExecutionArgs["document"], variableValues: Record<string, unknown>, access: { workspaceId?: string; scopes?: string[]; tokenId?: string } = {}) =>
    showOf({ schema, document, variableValues, contextValue: { access: { workspaceId: "w", scopes: ["READ"], tokenId: "t", ...access } } } as never);
  return { event, subscriber, pass: (ms: number) => void (now += ms), counts: () => ({ reads, finished, contexts: contexts.size }) };
}

const DOCUMENT = parse("subscription ($after: String, $long: Boolean) { sent(after: $after) { id text(long: $long) } }");

test("who asks the same with the same rights is shown the same, put together once, wherever each began", async () => {
  const { event, subscriber, counts } = begin();
  const shows = Array.from({ length: 100 }, (_, n) => subscriber(DOCUMENT, { after: `cursor ${n}` }, { tokenId: `token ${n % 7}` }));
  const results = await Promise.all(shows.map((show) => show(event)));
  expect(new Set(results).size).toBe(1);
  expect(results[0]).toEqual({ data: { sent: { id: 1, text: "Hai" } } });
  expect(counts()).toEqual({ reads: 1, finished: 1, contexts: 1 });
});

test("another document, another variable that shows, other scopes, another workspace: each is shown its own", async () => {
  const { event, subscriber, counts } = begin();
  const results = await Promise.all([
    subscriber(DOCUMENT, {})(event),
    subscriber(parse("subscription { sent { text } }"), {})(event),
    subscriber(DOCUMENT, { long: true })(event),
    subscriber(DOCUMENT, {}, { scopes: ["ADMIN"] })(event),
    subscriber(DOCUMENT, {}, { workspaceId: "v" })(event),
  ]);
  expect(new Set(results).size).toBe(5);
  expect(counts()).toMatchObject({ reads: 5, contexts: 3 });
});

test("variables that only a fragment or a directive has are among those that show", async () => {
  const { event, subscriber } = begin();
  const document = parse("subscription ($long: Boolean, $no: Boolean = false) { sent { id @skip(if: $no) ...More } } fragment More on Event { text(long: $long) }");
  const [short, long, skipped] = await Promise.all([{ no: false }, { long: true, no: false }, { no: true }].map((variables) => subscriber(document, variables)(event)));
  expect([short, long, skipped].map((result) => result?.data?.["sent"])).toEqual([{ id: 1, text: "Hai" }, { id: 1, text: "Selamat pagi" }, { text: "Hai" }]);
});

test("who is behind by a second is shown things anew", async () => {
  const { event, subscriber, pass, counts } = begin();
  await subscriber(DOCUMENT, {})(event);
  pass(999);
  await subscriber(DOCUMENT, {})(event);
  expect(counts().reads).toBe(1);
  pass(1);
  await turn();
  await subscriber(DOCUMENT, {})(event);
  expect(counts()).toMatchObject({ reads: 2, contexts: 2 });
});

test("an error is finished once for all", async () => {
  const { event, subscriber, counts } = begin();
  const document = parse("subscription { sent { broken } }");
  const results = await Promise.all([subscriber(document, {})(event), subscriber(document, {})(event)]);
  expect(results[0]?.errors?.[0]?.message).toBe("broken");
  expect(counts().finished).toBe(1);
});

test("nothing that an event leads to depends on more of a token than its workspace and its scopes", () => {
  const reached = new Set<string>();
  const walk = (name: string) => {
    const type = ourSchema.getType(name);
    if (reached.has(name) || !type || !(isObjectType(type) || isInterfaceType(type))) return;
    reached.add(name);
    for (const field of Object.values(type.getFields())) walk(getNamedType(field.type).name);
  };
  walk("Subscription");
  expect([...reached]).toContain("Flow");
  expect([...reached].filter((name) => ["ApiToken", "Viewer", "AuditEntry", "Node"].includes(name))).toEqual([]);
});
