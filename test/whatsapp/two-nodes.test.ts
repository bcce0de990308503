// Servers on one database share real WhatsApp devices: some are killed, suspended and stopped in order. By WhatsApp's own log no device has two sockets.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { addSequence, addWorkspace, one, query } from "../support/factories.ts";
import type { EntryOf } from "../support/fake-whatsapp/fake.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { type WhatsappServers, whatsappServers } from "../support/whatsapp-servers.ts";

/** By what becomes of them. They meet it at the same time: each of it takes the others twenty seconds. */
const NAMES = ["constant", "killed", "suspended briefly", "suspended for long"] as const;
type Name = (typeof NAMES)[number];

/** Of one workspace, which lies on one node as long as it fits there. */
const DEVICES = 2;
const ALL_DEVICES = NAMES.length * DEVICES;

/** A node is found dead after 10 seconds, and its devices are opened 10 seconds after that; a loaded machine takes some more. */
const TAKEOVER_MS = 45_000;

let servers: WhatsappServers;
let workspaces: string[];
const nodes: Partial<Record<Name, ServerProcess>> = {};
let numbers = 60_125_000_000;
const newNumber = () => String((numbers += 1));

const start = async (name: Name) => {
  nodes[name] = await servers.start({ RENTAK_NODE_NAME: name });
};
const signal = (name: Name, word: NodeJS.Signals) => process.kill(nodes[name]?.pid as number, word);

beforeAll(async () => {
  servers = await whatsappServers({ LOG_LEVEL: "warn" });
  const { pool } = servers.database;
  workspaces = await Promise.all(NAMES.map(() => addWorkspace(pool)));
  for (const id of workspaces) for (let n = 0; n < DEVICES; n++) await servers.addLinked(newNumber(), id);
  for (const name of NAMES) await start(name);
}, 120_000);

afterAll(() => servers.stop());

type Held = { readonly node: Name; readonly deviceId: string };

/** Where each device that is online is. */
const online = () =>
  query<Held>(servers.database.pool, `SELECT n.name AS node, d.id AS "deviceId" FROM devices d JOIN nodes n ON n.id = d.node_id WHERE d.status = 'ONLINE' AND d.wanted_node_id IS NULL`);

/** Waits until all devices are online on these nodes, and returns where each is. `isEven`: each node has its share. */
async function allOn(names: readonly Name[], isEven = false): Promise<Held[]> {
  let seen: Held[] = [];
  const isSo = async () => {
    seen = await online();
    const on = (name: Name) => seen.filter(({ node }) => node === name).length;
    return names.reduce((sum, name) => sum + on(name), 0) === ALL_DEVICES && (!isEven || names.every((name) => on(name) === ALL_DEVICES / names.length));
  };
  return eventually(isSo, "all devices are online", TAKEOVER_MS).then(
    () => seen,
    (error: Error) => Promise.reject(new Error(`${error.message} on ${names.join(", ")}, but ${JSON.stringify(seen.map(({ node }) => node))}`)),
  );
}

/** The devices of each workspace send. */
async function allSend(): Promise<void> {
  const { database, fake } = servers;
  for (const [index, workspaceId] of workspaces.entries()) {
    const [trigger, phone] = [`word${newNumber()}`, newNumber()];
    await addSequence(database.pool, workspaceId, { steps: [{ trigger, text: `From ${index}` }] });
    await database.pool.query("INSERT INTO leads (workspace_id, phone, trigger) VALUES ($1, $2, $3)", [workspaceId, phone, trigger]);
    expect(await fake.waitFor("message", (message) => message.phone === phone)).toMatchObject({ text: `From ${index}`, undecrypted: null });
  }
}

/** Logins of devices that had a socket already. */
const doubled = (): EntryOf<"login">[] => servers.fake.witness.of("login").filter(({ alive }) => alive.length > 0);

const isMember = async (name: Name) => (await query(servers.database.pool, "SELECT FROM nodes WHERE name = $1", [name])).length === 1;

const beatOf = async (name: Name) => (await one<{ beat: number }>(servers.database.pool, "SELECT beat::int FROM nodes WHERE name = $1", [name])).beat;

/** Waits for so many beats of it, a second each. */
async function beats(name: Name, count: number): Promise<void> {
  const from = await beatOf(name);
  await eventually(async () => (await beatOf(name)) >= from + count, `${name} beats`);
}

describe.sequential("servers on one database", { timeout: 120_000 }, () => {
  test("share the devices out", async () => {
    const held = await allOn(NAMES, true);
    expect(held).toHaveLength(ALL_DEVICES);
    await allSend();
  });

  test("have those of one that was killed, and of those that are suspended, twenty seconds later, and none has two sockets that need not", async () => {
    const before = servers.fake.witness.of("login").map(({ connection }) => connection);
    signal("suspended briefly", "SIGSTOP");
    signal("suspended for long", "SIGSTOP");
    await nodes["killed"]?.end("SIGKILL");
    await eventually(async () => !(await isMember("suspended briefly")), "it is taken for dead", TAKEOVER_MS);
    await beats("constant", 4); // others have been given what it had, and wait
    signal("suspended briefly", "SIGCONT"); // it lets go before they open it
    await allOn(["constant", "suspended briefly"]);
    await allSend();
    // What a suspended process has open nobody can close for it: theirs push these out.
    const pushedOut = doubled().map(({ alive }) => alive);
    expect(pushedOut).toEqual(Array.from({ length: DEVICES }, () => [expect.any(Number)]));
    expect(before).toEqual(expect.arrayContaining(pushedOut.flat()));
  });

  test("share them with those that come back, which push nobody out", async () => {
    signal("suspended for long", "SIGCONT");
    await start("killed");
    await allOn(NAMES, true);
    await allSend();
    expect(doubled()).toHaveLength(DEVICES);
    // It has heard of its own sockets that they were replaced, and has no say in what has become of the devices.
    expect(await query(servers.database.pool, "SELECT FROM events WHERE type = 'DEVICE_STATUS' AND status = 'REPLACED'")).toEqual([]);
  });

  test("have those of one that ends in order at once", async () => {
    await nodes["constant"]?.end("SIGTERM");
    await allOn(["killed", "suspended briefly", "suspended for long"]);
    await allSend();
    expect(doubled()).toHaveLength(DEVICES);
  });
});
