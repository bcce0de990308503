import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { addDevice, addLeads, addSequence, addWorkspace, enrolAll, query } from "../support/factories.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

const LEAD = "id phone name niche triggers attributes timeZone preferredDevice { id name } consent { source at } optedOutAt createdAt";
const create = async (input: Record<string, unknown>): Promise<string> => {
  const { data } = await server.query(`mutation ($input: LeadInput!) { createLead(input: $input) { lead { id } userErrors { message } } }`, { input });
  return data.createLead.lead.id;
};

describe("a lead", () => {
  test("shows all of itself, by id, by phone in any form, and as a node", async () => {
    const device = await addDevice(server.database.pool, DEFAULT_WORKSPACE_ID, { name: "Sender" });
    const id = await create({
      phone: "012-345 6789",
      name: "Ali",
      niche: "fitness",
      triggers: ["b", "a"],
      attributes: { city: "Ipoh" },
      timeZone: "Asia/Tokyo",
      preferredDeviceId: `Device:${device}`,
      consent: { source: "web form", at: "2026-10-01T08:00:00+08:00" },
    });
    const { data, errors } = await server.query(
      `query ($id: ID!) { byId: lead(id: $id) { ${LEAD} } byPhone: lead(phone: "0123456789") { id } node(id: $id) { ... on Lead { phone } } nobody: lead(phone: "+60123456700") { id } }`,
      { id },
    );
    expect(errors).toBeUndefined();
    expect(data.byId).toMatchObject({
      id,
      phone: "+60123456789",
      name: "Ali",
      niche: "fitness",
      triggers: ["b", "a"],
      attributes: { city: "Ipoh" },
      timeZone: "Asia/Tokyo",
      preferredDevice: { id: `Device:${device}`, name: "Sender" },
      consent: { source: "web form", at: "2026-10-01T00:00:00.000Z" },
      optedOutAt: null,
    });
    expect(data).toMatchObject({ byPhone: { id }, node: { phone: "+60123456789" }, nobody: null });
    expect(server.rung).toContain("enrollment");
  });

  test("an impossible number is refused with the reason, and no row is added", async () => {
    const before = await query(server.database.pool, "SELECT count(*) FROM leads");
    const { data } = await server.query(`mutation { createLead(input: { phone: "+60 12" }) { lead { id } userErrors { code message field } } }`);
    expect(data.createLead).toEqual({
      lead: null,
      userErrors: [{ code: "INVALID", message: "'+60 12' is too short for a phone number of Malaysia (MY); write it like +60123456789.", field: ["input", "phone"] }],
    });
    expect(await query(server.database.pool, "SELECT count(*) FROM leads")).toEqual(before);
    const { errors } = await server.query(`{ lead(phone: "+60 12") { id } }`);
    expect(errors?.[0]).toMatchObject({ message: "'+60 12' is too short for a phone number of Malaysia (MY); write it like +60123456789.", extensions: { code: "BAD_USER_INPUT" } });
  });

  test("of another workspace is not there", async () => {
    const elsewhere = await addWorkspace(server.database.pool);
    const [id] = await addLeads(server.database.pool, elsewhere, 1);
    const { data } = await server.query(
      `mutation ($id: ID!) { updateLead(input: { id: $id, name: "x" }) { userErrors { code } } optOutLead(id: $id) { userErrors { code } } }`,
      { id: `Lead:${id}` },
    );
    expect(data).toEqual({ updateLead: { userErrors: [{ code: "NOT_FOUND" }] }, optOutLead: { userErrors: [{ code: "NOT_FOUND" }] } });
    expect((await server.query(`query ($id: ID!) { lead(id: $id) { id } }`, { id: `Lead:${id}` })).data).toEqual({ lead: null });
  });

  test("is changed by who may", async () => {
    const reader = await server.tokenFor(["READ"]);
    const { errors } = await server.query(`mutation { createLead(input: { phone: "+60123456711" }) { lead { id } } }`, {}, reader);
    expect(errors?.[0]?.extensions).toMatchObject({ code: "FORBIDDEN" });
  });

  test("tells of its triggers, enrolments and flows", async () => {
    await addSequence(server.database.pool, DEFAULT_WORKSPACE_ID, { name: "Fitness", steps: [{ trigger: "fitness_start" }, { trigger: "fitness_day2" }] });
    const id = await create({ phone: "+60123456712", triggers: ["fitness_start", "nowhere"] });
    await enrolAll(server.database.pool);
    const { data, errors } = await server.query(
      `query ($id: ID!) { lead(id: $id) {
         triggerStates { trigger state message enrollment { id sequence { name } } }
         enrollments { totalCount nodes { id status } } flows { totalCount nodes { status enrollment { id } } } } }`,
      { id },
    );
    expect(errors).toBeUndefined();
    const enrollment = data.lead.enrollments.nodes[0].id;
    expect(data.lead).toEqual({
      triggerStates: [
        { trigger: "fitness_start", state: "ENROLLED", message: expect.any(String), enrollment: { id: enrollment, sequence: { name: "Fitness" } } },
        { trigger: "nowhere", state: "NO_SUCH_STEP", message: expect.any(String), enrollment: null },
      ],
      enrollments: { totalCount: 1, nodes: [{ id: enrollment, status: "ACTIVE" }] },
      flows: { totalCount: 1, nodes: [{ status: "ACTIVE", enrollment: { id: enrollment } }] },
    });
  });

  test("opts out and in", async () => {
    const id = await create({ phone: "+60123456713" });
    const out = await server.query(`mutation ($id: ID!) { optOutLead(id: $id, reason: "asked") { lead { optedOutAt } userErrors { message } } }`, { id });
    expect(out.data.optOutLead).toEqual({ lead: { optedOutAt: expect.any(String) }, userErrors: [] });
    const optIn = `mutation ($id: ID!, $at: DateTime!) { optInLead(id: $id, consent: { source: "in store", at: $at }) { lead { optedOutAt consent { source } } userErrors { code field } } }`;
    const early = await server.query(optIn, { id, at: "2020-01-01T00:00:00Z" });
    expect(early.data.optInLead).toEqual({ lead: null, userErrors: [{ code: "INVALID", field: ["consent", "at"] }] });
    const later = new Date(Date.parse(out.data.optOutLead.lead.optedOutAt) + 1000).toISOString();
    expect((await server.query(optIn, { id, at: later })).data.optInLead).toEqual({ lead: { optedOutAt: null, consent: { source: "in store" } }, userErrors: [] });
  });
});

test("upsertLeads answers row by row", async () => {
  const { data } = await server.query(
    `mutation ($input: [LeadInput!]!) { upsertLeads(input: $input) { created updated leads { phone name } userErrors { code field } } }`,
    { input: [{ phone: "+60123456721", name: "A" }, { phone: "?" }, { phone: "0123456721", name: "B" }] },
  );
  expect(data.upsertLeads).toEqual({
    created: 1,
    updated: 1,
    leads: [{ phone: "+60123456721", name: "B" }, null, { phone: "+60123456721", name: "B" }],
    userErrors: [{ code: "INVALID", field: ["input", "1", "phone"] }],
  });
  const many = Array.from({ length: 1001 }, () => ({ phone: "+60123456721" }));
  const refused = await server.query(`mutation ($input: [LeadInput!]!) { upsertLeads(input: $input) { created leads { id } userErrors { code field } } }`, { input: many });
  expect(refused.data.upsertLeads).toEqual({ created: 0, leads: [], userErrors: [{ code: "LIMIT_EXCEEDED", field: ["input"] }] });
});

describe("the list of leads", () => {
  let workspaceId: string;
  let token: string;
  const ask = (text: string, variables: Record<string, unknown> = {}) => server.query(text, variables, token);
  const listed = async (filter: Record<string, unknown>): Promise<(string | null)[]> => {
    const { data, errors } = await ask("query ($filter: LeadFilter) { leads(first: 100, filter: $filter) { nodes { name } } }", { filter });
    if (errors) throw new Error(JSON.stringify(errors));
    return data.leads.nodes.map(({ name }: { name: string | null }) => name);
  };
  beforeAll(async () => {
    workspaceId = await addWorkspace(server.database.pool);
    token = await server.tokenFor(["READ", "MANAGE"], workspaceId);
    const input = [
      { phone: "+60123450001", name: "Ali", niche: "fitness", triggers: ["a", "b"], attributes: { city: "Ipoh", vip: true } },
      { phone: "+60123450002", name: "Siti 100%", niche: "yoga", attributes: { city: "Ipoh" }, consent: { source: "form", at: "2026-10-01T00:00:00Z" } },
      { phone: "+60123450003", name: "Devi_R", niche: "fitness", triggers: ["b"] },
      { phone: "+60198760004", name: null },
    ];
    await ask(`mutation ($input: [LeadInput!]!) { upsertLeads(input: $input) { created } }`, { input });
  });

  test.each<[Record<string, unknown>, (string | null)[]]>([
    [{}, ["Ali", "Siti 100%", "Devi_R", null]],
    [{ niche: ["fitness"] }, ["Ali", "Devi_R"]],
    [{ niche: ["fitness"], trigger: "a" }, ["Ali"]],
    [{ trigger: "b" }, ["Ali", "Devi_R"]],
    [{ phones: ["012-345 0001", "+60198760004"] }, ["Ali", null]],
    [{ ids: [] }, []],
    [{ attributes: { city: "Ipoh" } }, ["Ali", "Siti 100%"]],
    [{ attributes: { vip: true, city: "Ipoh" } }, ["Ali"]],
    [{ hasConsent: true }, ["Siti 100%"]],
    [{ optedOut: true }, []],
    [{ optedOut: false, hasConsent: false }, ["Ali", "Devi_R", null]],
    [{ search: "ali" }, ["Ali"]],
    [{ search: "%" }, ["Siti 100%"]],
    [{ search: "_" }, ["Devi_R"]],
    [{ search: "019-876" }, [null]],
    [{ search: "+60 12" }, ["Ali", "Siti 100%", "Devi_R"]],
    [{ createdBefore: "2020-01-01T00:00:00Z" }, []],
    [{ createdAfter: "2020-01-01T00:00:00Z", search: "devi" }, ["Devi_R"]],
    [{ importId: "LeadImport:01900000-0000-7000-8000-00000000dead" }, []],
    [{ preferredDeviceId: "Device:01900000-0000-7000-8000-00000000dead" }, []],
  ])("of %j", async (filter, names) => {
    expect(await listed(filter)).toEqual(names);
  });

  test("by who is in a sequence, and how", async () => {
    const sequence = await addSequence(server.database.pool, workspaceId, { steps: [{ trigger: "b" }] });
    await enrolAll(server.database.pool);
    const sequenceId = `Sequence:${sequence}`;
    expect(await listed({ sequenceId })).toEqual(["Ali", "Devi_R"]);
    expect(await listed({ sequenceId, enrollmentStatus: ["COMPLETED"] })).toEqual([]);
    expect(await listed({ sequenceId, enrollmentStatus: ["PAUSED", "ACTIVE"], niche: ["fitness"], search: "ali" })).toEqual(["Ali"]);
  });

  test("what is wrong with the filter is said", async () => {
    const { errors } = await ask(`{ leads(filter: { phones: ["+60123450001", "12"], enrollmentStatus: [ACTIVE] }) { nodes { id } } }`);
    expect(errors?.[0]).toMatchObject({
      message:
        "filter.enrollmentStatus: enrollmentStatus needs a sequenceId: say in which sequence. " +
        "filter.phones.1: '12' is too short for a phone number of Malaysia (MY); write it like +60123456789.",
      extensions: { code: "BAD_USER_INPUT" },
    });
  });

  test("pages both ways, by name and by creation, with a count", async () => {
    const page = async (args: string) => {
      const { data, errors } = await ask(`{ leads(${args}) { totalCount totalCountIsExact nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`);
      if (errors) throw new Error(JSON.stringify(errors));
      return data.leads;
    };
    const names = ({ nodes }: { nodes: { name: string | null }[] }) => nodes.map(({ name }) => name);
    const first = await page("first: 3, orderBy: { field: NAME, direction: ASC }");
    expect(first).toMatchObject({ totalCount: 4, totalCountIsExact: true, pageInfo: { hasNextPage: true, hasPreviousPage: false } });
    expect(names(first)).toEqual([null, "Ali", "Devi_R"]);
    const second = await page(`first: 3, after: "${first.pageInfo.endCursor}", orderBy: { field: NAME, direction: ASC }`);
    expect(names(second)).toEqual(["Siti 100%"]);
    expect(names(await page(`last: 2, before: "${second.pageInfo.startCursor}", orderBy: { field: NAME, direction: ASC }`))).toEqual(["Ali", "Devi_R"]);
    expect(names(await page("first: 1, orderBy: { field: NAME, direction: DESC }"))).toEqual(["Siti 100%"]);
    const newest = names(await page("first: 100, orderBy: { field: CREATED_AT, direction: DESC }"));
    expect(newest).toEqual(names(await page("first: 100")).toReversed());
  });
});

test("setLeadTriggers says how many were changed", async () => {
  const id = await create({ phone: "+60123456731" });
  const set = `mutation ($id: ID!, $mode: TriggerMode!, $triggers: [String!]!) { setLeadTriggers(filter: { ids: [$id] }, triggers: $triggers, mode: $mode) { affected userErrors { code field } } }`;
  const change = async (mode: string, ...triggers: string[]) => (await server.query(set, { id, mode, triggers })).data.setLeadTriggers;
  expect(await change("ADD", "x")).toEqual({ affected: 1, userErrors: [] });
  expect(await change("ADD", "x")).toEqual({ affected: 0, userErrors: [] });
  expect(await change("REMOVE")).toEqual({ affected: 0, userErrors: [{ code: "INVALID", field: ["triggers"] }] });
  expect(await change("SET", "two words")).toEqual({ affected: 0, userErrors: [{ code: "INVALID", field: ["triggers"] }] });
  const bad = await server.query(`mutation { setLeadTriggers(filter: { phones: ["1"] }, triggers: ["x"]) { affected userErrors { field } } }`);
  expect(bad.data.setLeadTriggers).toEqual({ affected: 0, userErrors: [{ field: ["filter", "phones", "0"] }] });
});
