// A life of two WhatsApp devices, with something that is nobody else's in each part of it; and what it has left behind.

import { randomBytes, randomInt } from "node:crypto";
import { type Dump, dumpOf, keysIn } from "./canaries.ts";
import { eventually } from "./eventually.ts";
import { query } from "./factories.ts";
import { lidJid } from "./fake-whatsapp/addresses.ts";
import { type GraphqlClient, graphqlClient } from "./graphql-client.ts";
import { type PostgresProxy, startPostgresProxy } from "./postgres-proxy.ts";
import type { ServerProcess } from "./server-process.ts";
import type { WhatsappServers } from "./whatsapp-servers.ts";

/** Letters, or where it has to be one a number: never by chance the same as anything else. */
const word = () => randomBytes(12).toString("hex").replaceAll(/\d/g, (digit) => "ghijklmnop".charAt(Number(digit)));
const number = () => `6012${randomInt(1_000_000, 9_999_999)}`;

export const TOKEN = `rtk_${word()}`;

export type Life = {
  /** All that the servers have said. */
  readonly output: string;
  /** The database at each turn. */
  readonly dumps: readonly Dump[];
  readonly text: string;
  readonly reply: string;
  /** Who was written to, and under which hidden ids. */
  readonly people: readonly string[];
  readonly lids: readonly string[];
  /** Who has written, and is nobody's lead. */
  readonly stranger: string;
  /** What was shown to be scanned, in its parts; and to be typed. */
  readonly qr: readonly string[];
  readonly code: string;
  /** What devices and conversations are encrypted with. */
  readonly keys: readonly Buffer[];
};

const SHOP = number();
const OFFICE = number();

/** Of those that are used once, there are eight hundred for each device. */
const PRE_KEYS = 20;

/** Who and what is in it, and is nobody else's. */
const newCast = () => ({ text: word(), reply: word(), siti: number(), amir: number(), absent: number(), stranger: number() });

type Scene = ReturnType<typeof newCast> & {
  readonly servers: WhatsappServers;
  readonly proxy: PostgresProxy;
  readonly server: ServerProcess;
  readonly api: GraphqlClient;
  /** Ids of the two devices. */
  readonly shop: string;
  readonly office: string;
  /** Keeps what the database is like, and which keys are in it. */
  readonly look: () => Promise<void>;
};

export async function liveThrough(servers: WhatsappServers): Promise<Life> {
  const url = new URL(servers.database.url);
  const proxy = await startPostgresProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  const dumps: Dump[] = [];
  const keys: Buffer[] = [];
  const look = async () => {
    dumps.push(await dumpOf(servers.database.pool));
    const opened = (await servers.openAll()).map((each) => each.text);
    const isPreKey = (each: string) => each.startsWith('{"public"') || each.startsWith('{"private"');
    keys.push(...[...opened.filter((each) => !isPreKey(each)), ...opened.filter(isPreKey).slice(0, PRE_KEYS)].flatMap(keysIn));
  };

  const server = await servers.start({ DATABASE_URL: url.href });
  const api = graphqlClient(server.url, TOKEN);
  const [shop, office] = [await makeDevice(api), await makeDevice(api)];
  const { qr = "" } = await pair(api, shop, null, look, (shown) => servers.fake.scan(shown.qr ?? "", SHOP));
  const { code = "" } = await pair(api, office, `+${OFFICE}`, look, (shown) => servers.fake.enterCode(shown.code ?? "", OFFICE));
  const scene: Scene = { ...newCast(), servers, proxy, server, api, shop, office, look };
  await send(scene);
  await receive(scene);
  const last = await goOn(scene);
  await proxy.close();
  const { text, reply, siti, amir, absent, stranger } = scene;
  const people = [siti, amir, absent];
  const lids = [...people, stranger].map((phone) => lidJid(phone).replace("@lid", ""));
  return { output: server.output() + last.output(), dumps, keys, text, reply, people, lids, stranger, qr: partsOf(qr), code };
}

/** Delivered, asked for again, refused, and to somebody who is not there; and each statement that its secrets are in loses its answer once. */
async function send({ servers: { fake, database }, proxy, api, shop, office, text, siti, amir, absent }: Scene): Promise<void> {
  for (const trigger of ["w1", "w2", "w3"]) await makeSequence(api, trigger, text);
  const answersLost = Promise.all(["attempt", "whatsapp_write", "settle"].map((statement) => proxy.hold(statement, "after").then((held) => held.cut())));
  await write(api, siti, "w1", shop);
  await fake.waitFor("message", (message) => message.phone === siti && message.text === text);
  await answersLost;
  fake.behave({ asksAgain: 1 });
  await write(api, siti, "w2", shop);
  await fake.waitFor("message", (message) => message.phone === siti && message.retries > 0 && message.text === text);
  fake.behaveWell();
  fake.setAbsent(absent);
  await write(api, absent, "w1", shop);
  fake.behave({ ack: { refuse: 479 } });
  await write(api, amir, "w1", office);
  await eventually(async () => (await query(database.pool, "SELECT FROM flows WHERE status = 'FAILED'")).length === 2, "one is refused, and one is to nobody");
  fake.behaveWell();
}

/** From a lead and from a stranger; and for a while it cannot be worked in. */
async function receive({ servers: { fake, database }, server, look, reply, siti, stranger }: Scene): Promise<void> {
  const { pool } = database;
  const holder = await pool.connect();
  await holder.query("BEGIN");
  await holder.query("SET LOCAL idle_in_transaction_session_timeout = 0");
  await holder.query("SELECT FROM leads FOR UPDATE");
  await fake.reply({ account: SHOP, phone: siti, text: reply });
  await fake.reply({ account: OFFICE, phone: stranger, text: reply, from: "lid" });
  await eventually(async () => (await query(pool, "SELECT FROM whatsapp_inbox")).length === 2, "the replies wait in the inbox");
  await look();
  await eventually(() => server.output().includes("could not be worked in"), "it says so");
  await holder.query("ROLLBACK");
  holder.release();
  await eventually(async () => (await query(pool, "SELECT FROM replies")).length === 2, "they are worked in");
}

/** A connection breaks, the server is started anew, one device is logged out. */
async function goOn({ servers, server, api: before, shop, office, look, siti }: Scene): Promise<ServerProcess> {
  const { fake } = servers;
  const broken = fake.witness.entries.at(-1)?.number ?? 0;
  fake.destroy(SHOP);
  await fake.waitFor("login", ({ account }) => account === SHOP, { after: broken });
  await before.dispose();
  await server.end("SIGTERM");
  const next = await servers.start();
  const api = graphqlClient(next.url, TOKEN);
  await isOnline(api, shop);
  await isOnline(api, office);
  await api.ask("mutation($id: ID!) { logoutDevice(id: $id) { userErrors { message } } }", { id: office });
  await fake.waitFor("unlinked", ({ account }) => account === OFFICE);
  await write(api, siti, "w3", shop);
  await fake.waitFor("receipt", ({ phone, messageId }) => phone === siti && messageId === fake.witness.of("message").at(-1)?.messageId);
  await look();
  await api.dispose();
  await next.end("SIGTERM");
  await look();
  return next;
}

/** The parts are behind the link that a phone opens: where to answer, two public keys, and the secret. */
const partsOf = (qr: string) => (qr.split("#").at(-1) ?? "").split(",").filter((part) => part.length > 20);

async function makeDevice({ ask }: GraphqlClient): Promise<string> {
  const { device } = await ask("mutation { createDevice(input: { name: \"Device\" }) { device { id } userErrors { message } } }");
  await eventually(async () => (await ask("query($id: ID!) { device(id: $id) { status } }", { id: device.id })).status === "UNPAIRED", "it is there to be paired");
  return device.id;
}

const isOnline = ({ ask }: GraphqlClient, id: string) =>
  eventually(async () => (await ask("query($id: ID!) { device(id: $id) { status } }", { id })).status === "ONLINE", "it is online");

type Shown = { readonly qr?: string; readonly code?: string };

async function pair(api: GraphqlClient, id: string, phone: string | null, look: () => Promise<void>, link: (shown: Shown) => Promise<unknown>): Promise<Shown> {
  const pairing = api.follow("subscription($id: ID!) { devicePairing(deviceId: $id) { status qr code } }", { id });
  await eventually(() => pairing.heard.length > 0, "it tells how it stands");
  await api.ask("mutation($id: ID!, $phone: PhoneNumber) { pairDevice(id: $id, phone: $phone) { userErrors { message } } }", { id, phone });
  const shown = await eventually(() => pairing.heard.find(({ qr, code }) => qr ?? code), "a code is shown");
  await look();
  await link(shown);
  await isOnline(api, id);
  pairing.stop();
  return shown;
}

async function makeSequence({ ask }: GraphqlClient, trigger: string, text: string): Promise<void> {
  const { sequence } = await ask("mutation($input: CreateSequenceInput!) { createSequence(input: $input) { sequence { id } userErrors { message } } }", {
    input: { name: "Sequence", minDelaySeconds: 0, maxDelaySeconds: 0, steps: [{ dayNumber: 1, trigger, isEntryPoint: true, text }] },
  });
  await ask("mutation($id: ID!) { activateSequence(id: $id) { userErrors { message } } }", { id: sequence.id });
}

const write = ({ ask }: GraphqlClient, phone: string, trigger: string, preferredDeviceId: string) =>
  ask("mutation($input: [LeadInput!]!) { upsertLeads(input: $input) { userErrors { message } } }", { input: [{ phone: `+${phone}`, triggers: [trigger], preferredDeviceId }] });
