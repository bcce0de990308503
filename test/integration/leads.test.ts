import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { workspaceDb, type WorkspaceDb } from "../../src/db/workspace.ts";
import { createBell } from "../../src/events/bell.ts";
import type { Result, UserError } from "../../src/lib/errors.ts";
import { optInLead, optOutLead } from "../../src/leads/opt-out.ts";
import { createLead, leadsById, updateLead } from "../../src/leads/service.ts";
import { setLeadTriggers } from "../../src/leads/set-triggers.ts";
import { triggerStates } from "../../src/leads/trigger-states.ts";
import { upsertLeads } from "../../src/leads/upsert.ts";
import type { Lead, NumberDeps } from "../../src/leads/write.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { addDevice, addSequence, addWorkspace, enrolAll, one, query } from "../support/factories.ts";
import { testOptOutHash } from "../support/opt-out-hash.ts";

let database: TestDatabase;
let db: WorkspaceDb;
let deps: NumberDeps;
let rung: number;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  db = workspaceDb(database.pool, await addWorkspace(database.pool));
  const bell = createBell();
  rung = 0;
  bell.listen("enrollment", () => rung++);
  deps = { db, bell, optOutHash: testOptOutHash };
});

const value = <T>(result: Result<T>): T => {
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.value;
};
const errorsOf = (result: Result<unknown>): readonly UserError[] => (result.ok ? [] : result.errors);
const lead = async (id: string): Promise<Lead> => (await leadsById(db, [id]))[0] as Lead;
const queue = () => query<{ trigger: string }>(database.pool, "SELECT trigger FROM enrollment_queue WHERE workspace_id = $1 ORDER BY id", [db.id]);
const words = async () => (await queue()).map(({ trigger }) => trigger);

describe("creating and changing a lead", () => {
  test("keeps the number in E.164, read in the workspace's country", async () => {
    const id = value(await createLead(deps, { phone: "012-345 6789", name: " Ali ", attributes: { city: "Ipoh" } }));
    expect(await lead(id)).toMatchObject({ phone: "60123456789", name: "Ali", attributes: { city: "Ipoh" }, trigger: null });
    expect(rung).toBe(1);
  });

  test("refuses an impossible number with the reason, and adds nothing", async () => {
    expect(errorsOf(await createLead(deps, { phone: "123" }))).toEqual([
      { code: "INVALID", message: "'123' is too short for a phone number of Malaysia (MY); write it like +60123456789.", field: ["input", "phone"] },
    ]);
    expect(await query(database.pool, "SELECT FROM leads WHERE workspace_id = $1", [db.id])).toEqual([]);
    expect(rung).toBe(0);
  });

  test("refuses a number that is taken, naming the lead", async () => {
    const id = value(await createLead(deps, { phone: "+60123456789" }));
    const message = `+60123456789 belongs to the lead Lead:${id} already. Change that one with updateLead, or use upsertLeads.`;
    expect(errorsOf(await createLead(deps, { phone: "0123456789" }))).toEqual([{ code: "TAKEN", message, field: ["input", "phone"] }]);
    const other = value(await createLead(deps, { phone: "+60123456780" }));
    expect(errorsOf(await updateLead(deps, other, { phone: "0123456789" }))).toEqual([{ code: "TAKEN", message, field: ["input", "phone"] }]);
  });

  test("the same number may be a lead of another workspace", async () => {
    value(await createLead(deps, { phone: "+60123456789" }));
    const elsewhere = { ...deps, db: workspaceDb(database.pool, await addWorkspace(database.pool)) };
    const there = value(await createLead(elsewhere, { phone: "+60123456789" }));
    expect(errorsOf(await updateLead(deps, there, { name: "Eve" }))).toMatchObject([{ code: "NOT_FOUND", field: ["input", "id"] }]);
  });

  test("all that is wrong is said at once", async () => {
    const input = { phone: "x", name: "n".repeat(201), triggers: ["two words"], attributes: { "a{b": 1 }, timeZone: "Mars/Base", consent: { source: " ", at: new Date() } };
    const fields = errorsOf(await createLead(deps, input)).map(({ field }) => field?.join("."));
    expect(fields).toEqual(["input.phone", "input.name", "input.triggers", "input.attributes", "input.timeZone", "input.consent.source"]);
  });

  test("a preferred device must exist, in the same workspace", async () => {
    const elsewhere = await addDevice(database.pool, await addWorkspace(database.pool));
    const refused = errorsOf(await createLead(deps, { phone: "+60123456789", preferredDeviceId: elsewhere }));
    expect(refused).toMatchObject([{ code: "NOT_FOUND", field: ["input", "preferredDeviceId"] }]);
    const device = await addDevice(database.pool, db.id);
    const id = value(await createLead(deps, { phone: "+60123456789", preferredDeviceId: device }));
    expect(await lead(id)).toMatchObject({ preferredDeviceId: device });
  });

  test("what is left out stays, null clears, and attributes are changed one by one", async () => {
    const consent = { source: "web form", at: new Date("2026-10-01T00:00:00Z") };
    const id = value(await createLead(deps, { phone: "+60123456789", name: "Ali", niche: "fitness", triggers: ["a"], attributes: { city: "Ipoh", age: 30 }, timeZone: "Asia/Tokyo", consent }));
    value(await updateLead(deps, id, { niche: "yoga", attributes: { age: 31, size: "L" } }));
    expect(await lead(id)).toMatchObject({ name: "Ali", niche: "yoga", trigger: "a", attributes: { city: "Ipoh", age: 31, size: "L" }, timeZone: "Asia/Tokyo", consentSource: "web form" });
    value(await updateLead(deps, id, { name: null, niche: null, triggers: null, attributes: { city: null }, timeZone: null, consent: null }));
    expect(await lead(id)).toMatchObject({ name: null, niche: null, trigger: null, attributes: { age: 31, size: "L" }, timeZone: null, consentSource: null, consentAt: null });
    expect(errorsOf(await updateLead(deps, id, { phone: null }))).toMatchObject([{ code: "INVALID", field: ["input", "phone"] }]);
  });

  test("attributes are bounded over all changes together", async () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`a${index}`, index]));
    const id = value(await createLead(deps, { phone: "+60123456789", attributes: many }));
    const more = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`b${index}`, index]));
    expect(errorsOf(await updateLead(deps, id, { attributes: more }))).toMatchObject([{ code: "LIMIT_EXCEEDED", field: ["input", "attributes"] }]);
    expect(errorsOf(await updateLead(deps, id, { attributes: { long: "x".repeat(17_000) } }))).toMatchObject([{ code: "LIMIT_EXCEEDED" }]);
    let deep: unknown = 1;
    for (let depth = 0; depth < 5000; depth++) deep = [deep];
    expect(errorsOf(await updateLead(deps, id, { attributes: { deep } }))).toMatchObject([{ code: "INVALID", field: ["input", "attributes"] }]);
  });

  test("a repeat with the same key gives the first lead again, another input is a conflict", async () => {
    const first = value(await createLead(deps, { phone: "+60123456789" }, "key-1"));
    expect(value(await createLead(deps, { phone: "+60123456789" }, "key-1"))).toBe(first);
    expect(errorsOf(await createLead(deps, { phone: "+60123456780" }, "key-1"))).toMatchObject([{ code: "CONFLICT" }]);
  });
});

describe("upserting many", () => {
  test("creates and updates by phone, in the order of the input, row by row", async () => {
    const present = value(await createLead(deps, { phone: "+60123456701", name: "Old", niche: "yoga" }));
    const result = value(
      await upsertLeads(deps, [
        { phone: "+60123456702", name: "New" },
        { phone: "nonsense" },
        { phone: "+60123456701", name: "Renamed" },
        { phone: "+60123456703", preferredDeviceId: "01900000-0000-7000-8000-00000000dead" },
        { phone: "012-345 6702", niche: "running", triggers: ["fitness_start"] },
      ]),
    );
    expect(result.leads.map((id) => id !== null)).toEqual([true, false, true, false, true]);
    expect(result.leads[2]).toBe(present);
    expect(result.leads[4]).toBe(result.leads[0]);
    expect(result).toMatchObject({ created: 1, updated: 2 });
    expect(result.errors.map(({ code, field }) => [code, field])).toEqual([
      ["INVALID", ["input", "1", "phone"]],
      ["NOT_FOUND", ["input", "3", "preferredDeviceId"]],
    ]);
    expect(await lead(present)).toMatchObject({ name: "Renamed", niche: "yoga" });
    expect(await lead(result.leads[0] ?? "")).toMatchObject({ name: "New", niche: "running", trigger: "fitness_start" });
    expect(await words()).toEqual(["fitness_start"]);
  });

  test("a thousand are taken at once, and one more is refused", async () => {
    const rows = Array.from({ length: 1000 }, (_, index) => ({ phone: `+6011${10_000_000 + index}`, name: `Lead ${index}` }));
    expect(value(await upsertLeads(deps, rows))).toMatchObject({ created: 1000, updated: 0, errors: [] });
    expect(value(await upsertLeads(deps, rows))).toMatchObject({ created: 0, updated: 1000, errors: [] });
    const message = "1001 leads are too many for one call; at most 1000 are taken. For more, send a CSV file to POST /imports/leads.";
    expect(errorsOf(await upsertLeads(deps, [...rows, { phone: "+60123456789" }]))).toEqual([{ code: "LIMIT_EXCEEDED", message, field: ["input"] }]);
  });

  test("two at once that name the same people make each of them once", async () => {
    const rows = Array.from({ length: 200 }, (_, index) => ({ phone: `+6012${3_000_000 + index}` }));
    const results = await Promise.all([upsertLeads(deps, rows), upsertLeads(deps, rows.toReversed()), upsertLeads(deps, rows)]);
    const counts = results.map((result) => value(result));
    expect(counts.reduce((sum, { created }) => sum + created, 0)).toBe(200);
    expect(counts.reduce((sum, { updated }) => sum + updated, 0)).toBe(400);
    expect(await one(database.pool, "SELECT count(*)::int AS leads FROM leads WHERE workspace_id = $1", [db.id])).toEqual({ leads: 200 });
  });

  test("never revives an opt-out", async () => {
    const id = value(await createLead(deps, { phone: "+60123456789", name: "Ali" }));
    value(await optOutLead(deps, id, null));
    const again = { phone: "+60123456789", name: "Ali B", triggers: ["fitness_start"], consent: { source: "list", at: new Date() } };
    expect(value(await upsertLeads(deps, [again]))).toMatchObject({ leads: [id], updated: 1, errors: [] });
    expect(await lead(id)).toMatchObject({ name: "Ali B", trigger: null, consentSource: null, optedOutAt: expect.any(Date) });
    expect(await words()).toEqual([]);
  });
});

describe("triggers", () => {
  test("by plain SQL, only the words that were added are queued; blanks and repeats are forgiven", async () => {
    const id = value(await createLead(deps, { phone: "+60123456789" }));
    const set = (trigger: string | null) => database.pool.query("UPDATE leads SET trigger = $1 WHERE workspace_id = $2 AND phone = '60123456789'", [trigger, db.id]);
    await set("fitness_start");
    await set("fitness_start, nutrition_start ,fitness_start,");
    await set("nutrition_start");
    await set(null);
    expect(await words()).toEqual(["fitness_start", "nutrition_start"]);
    await set(" a ,, b,a ");
    expect((await triggerStates(db, [id])).get(id)?.map(({ trigger }) => trigger)).toEqual(["a", "b"]);
  });

  test("are set, added and removed by a filter; only what really changes counts", async () => {
    const rows = [{ triggers: ["a"] }, { triggers: ["a", "b"] }, {}].map((row, index) => ({ ...row, phone: `+6012345670${index}`, niche: "fitness" }));
    const { leads } = value(await upsertLeads(deps, [...rows, { phone: "+60123456709", niche: "yoga" }]));
    const stored = async () => Promise.all(leads.map(async (id) => (await lead(id ?? "")).trigger));
    const change = async (mode: "SET" | "ADD" | "REMOVE", ...triggers: string[]) => value(await setLeadTriggers(deps, { filter: { niche: ["fitness"] }, triggers, mode })).affected;
    expect(await change("ADD", "b", "c")).toBe(3);
    expect(await stored()).toEqual(["a,b,c", "a,b,c", "b,c", null]);
    expect(await change("ADD", "c")).toBe(0);
    expect(await change("REMOVE", "a", "x")).toBe(2);
    expect(await stored()).toEqual(["b,c", "b,c", "b,c", null]);
    expect(await change("SET", "d")).toBe(3);
    expect(await change("SET", " d ", "d")).toBe(0);
    expect(await change("SET")).toBe(3);
    expect(await stored()).toEqual([null, null, null, null]);
    expect(await words()).toEqual(expect.arrayContaining(["a", "b", "c", "d"]));
  });

  test("more than a lead can hold are refused, and nobody is changed", async () => {
    const long = Array.from({ length: 12 }, (_, index) => `word_${index}_`.padEnd(78, "x"));
    const { leads } = value(await upsertLeads(deps, [{ phone: "+60123456701", triggers: long }, { phone: "+60123456702" }]));
    const refused = errorsOf(await setLeadTriggers(deps, { filter: {}, triggers: ["y".repeat(90)], mode: "ADD" }));
    expect(refused).toEqual([
      { code: "LIMIT_EXCEEDED", message: "The lead +60123456701 would carry more than 1000 characters of triggers; remove some from it first.", field: ["triggers"] },
    ]);
    expect((await lead(leads[1] ?? "")).trigger).toBeNull();
  });

  test("say what became of each of them, and what to do", async () => {
    const steps = [{ trigger: "start" }, { trigger: "second" }];
    await addSequence(database.pool, db.id, { name: "Fitness", steps });
    await addSequence(database.pool, db.id, { name: "Draft", active: false, steps: [{ trigger: "draft_start" }] });
    await addSequence(database.pool, db.id, { name: "Broken", steps: [{ trigger: "broken_start", next: "nowhere" }] });
    await enrolAll(database.pool);
    const triggers = ["start", "second", "draft_start", "broken_start", "unknown"];
    const id = value(await createLead(deps, { phone: "+60123456789", triggers }));
    const states = async () => (await triggerStates(db, [id])).get(id) ?? [];
    expect((await states()).map(({ state }) => state)).toEqual(["QUEUED", "NOT_ENTRY_POINT", "SEQUENCE_NOT_ACTIVE", "SEQUENCE_NOT_ACTIVE", "NO_SUCH_STEP"]);
    expect((await states()).map(({ message }) => message)).toEqual([
      'The sequence "Fitness" enrols the lead within the next cycle.',
      'The sequence "Fitness" has it at a step that is no entry point. Use the trigger of an entry step, or make this step one.',
      'The sequence "Draft" is a draft. activateSequence enrols the lead.',
      'The sequence "Broken" enrols nobody until its problems are mended; Sequence.problems lists them.',
      "No step has this trigger. Check its spelling, or add an entry step with it: the lead is then enrolled by itself.",
    ]);
    await enrolAll(database.pool);
    const { id: enrollmentId } = await one<{ id: string }>(database.pool, "SELECT id FROM enrollments WHERE lead_id = $1", [id]);
    expect((await states())[0]).toMatchObject({ state: "ENROLLED", enrollmentId });
    value(await optOutLead(deps, id, null));
    expect((await states()).map(({ trigger, state }) => [trigger, state])).toEqual(triggers.slice(1).map((trigger) => [trigger, "OPTED_OUT"]));
  });

  test("of a sequence that was changed and not looked at yet are queued", async () => {
    await addSequence(database.pool, db.id, { name: "Fresh", steps: [{ trigger: "fresh_start" }] });
    const id = value(await createLead(deps, { phone: "+60123456789", triggers: ["fresh_start"] }));
    expect((await triggerStates(db, [id])).get(id)).toEqual([
      { trigger: "fresh_start", state: "QUEUED", message: 'The sequence "Fresh" was changed and is being checked; the lead is enrolled after that.', enrollmentId: null },
    ]);
  });
});

describe("opting out", () => {
  test("stops the open enrolments and skips what is queued, and stays as of the first time", async () => {
    await addSequence(database.pool, db.id, { steps: [{ trigger: "start" }] });
    const id = value(await createLead(deps, { phone: "+60123456789", triggers: ["start", "other"] }));
    await enrolAll(database.pool);
    expect(value(await optOutLead(deps, id, "asked by phone"))).toBe(id);
    const after = await lead(id);
    expect(after).toMatchObject({ optOutReason: "asked by phone", trigger: "other" });
    expect(await query(database.pool, "SELECT status, stop_reason FROM enrollments WHERE lead_id = $1", [id])).toEqual([{ status: "STOPPED", stop_reason: "OPTED_OUT" }]);
    expect(await query(database.pool, "SELECT status, skip_reason FROM flows WHERE lead_id = $1", [id])).toEqual([{ status: "SKIPPED", skip_reason: "OPTED_OUT" }]);
    value(await optOutLead(deps, id, "again"));
    expect((await lead(id)).optedOutAt).toEqual(after.optedOutAt);
    expect(errorsOf(await optOutLead(deps, "01900000-0000-7000-8000-00000000dead", null))).toMatchObject([{ code: "NOT_FOUND", field: ["id"] }]);
  });

  test("belongs to the number, and only optInLead takes a new agreement", async () => {
    const id = value(await createLead(deps, { phone: "+60123456789" }));
    value(await optOutLead(deps, id, null));
    expect(errorsOf(await updateLead(deps, id, { phone: "+60123456780" }))).toMatchObject([{ code: "SUPPRESSED", field: ["input", "phone"] }]);
    expect(errorsOf(await updateLead(deps, id, { consent: { source: "list", at: new Date() } }))).toMatchObject([{ code: "SUPPRESSED", field: ["input", "consent"] }]);
    value(await updateLead(deps, id, { phone: "+60123456789", name: "Ali" }));
  });

  test("ends when the person agrees again, later, with a source; the triggers set meanwhile enrol then", async () => {
    await addSequence(database.pool, db.id, { steps: [{ trigger: "start" }] });
    const id = value(await createLead(deps, { phone: "+60123456789" }));
    const consent = (at: number, source = "in store") => ({ source, at: new Date(at) });
    expect(errorsOf(await optInLead(deps, id, consent(Date.now())))).toMatchObject([{ code: "INVALID_STATE", field: ["id"] }]);
    value(await optOutLead(deps, id, null));
    value(await updateLead(deps, id, { triggers: ["start"] }));
    await enrolAll(database.pool);
    expect(await query(database.pool, "SELECT FROM enrollments WHERE lead_id = $1", [id])).toEqual([]);
    const { optedOutAt } = await lead(id);
    const at = optedOutAt?.getTime() ?? 0;
    expect(errorsOf(await optInLead(deps, id, consent(at - 1)))).toMatchObject([{ code: "INVALID", field: ["consent", "at"] }]);
    expect(errorsOf(await optInLead(deps, id, consent(at + 2 * 86_400_000)))).toMatchObject([{ code: "INVALID", field: ["consent", "at"] }]);
    expect(errorsOf(await optInLead(deps, id, consent(at + 1000, "")))).toMatchObject([{ code: "INVALID", field: ["consent", "source"] }]);
    value(await optInLead(deps, id, consent(at + 1000)));
    expect(await lead(id)).toMatchObject({ optedOutAt: null, consentSource: "in store" });
    await enrolAll(database.pool);
    expect(await query(database.pool, "SELECT status FROM enrollments WHERE lead_id = $1", [id])).toEqual([{ status: "ACTIVE" }]);
  });
});
