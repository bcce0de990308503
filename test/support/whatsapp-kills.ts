// One server with one WhatsApp device, behind a proxy to Postgres that holds it at a named point: there it is killed, and started again on what it left.

import type pg from "pg";
import type { MessageIds } from "../../src/flows/message-id.ts";
import { eventually } from "./eventually.ts";
import { addSequence, one, query } from "./factories.ts";
import type { EntryOf, FakeWhatsapp } from "./fake-whatsapp/fake.ts";
import { messageIdsOf } from "./node.ts";
import { type Held, type Moment, startPostgresProxy } from "./postgres-proxy.ts";
import { freePort, type ServerProcess } from "./server-process.ts";
import { whatsappServers, WORKSPACE } from "./whatsapp-servers.ts";

export const SHOP = "60311111111";

/** An attempt is settled as unknown after so long. */
const STUCK_MINUTES = "0.05";

export type FlowNow = { readonly id: string; readonly status: string; readonly failureCode: string | null; readonly isDelivered: boolean; readonly isAttempted: boolean };

export type Killable = {
  readonly fake: FakeWhatsapp;
  /** Past the proxy. */
  readonly pool: pg.Pool;
  readonly messageIds: MessageIds;
  readonly deviceId: string;
  /** Starts it where it does not run, and waits until its device is online. */
  run(): Promise<void>;
  /** Resolves when the next statement of this name stands before Postgres, or has been executed and its answer stands before the server. */
  hold(statement: string, moment: Moment): Promise<void>;
  /** Lets what is held go on. */
  pass(): void;
  /** kill -9. A statement that is held never arrives, nor does its answer. */
  kill(): Promise<void>;
  /** Enrols somebody in a sequence that begins with this text. Resolves with the flow's id. */
  enrol(phone: string, text: string, laterText?: string): Promise<string>;
  flow(id: string): Promise<FlowNow>;
  /** Waits until it is so. */
  becomes(id: string, status: string, failureCode?: string): Promise<void>;
  /** The conversations of its device, as they are committed. */
  sessions(): Promise<string[]>;
  /** What was on the wire for this person, in order. */
  sentTo(phone: string): EntryOf<"message">[];
  stop(): Promise<void>;
};

export async function startKillable(): Promise<Killable> {
  const servers = await whatsappServers({ RENTAK_STUCK_MINUTES: STUCK_MINUTES, LOG_LEVEL: "warn" });
  const { fake, database } = servers;
  const { pool } = database;
  const url = new URL(database.url);
  const proxy = await startPostgresProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  // The same port each time: its name goes by it, and its successor has its devices at once.
  const settings = { PORT: String(await freePort()), DATABASE_URL: url.href };
  const deviceId = await servers.addLinked(SHOP);
  let server: ServerProcess | undefined;
  let held: Held | undefined;
  let words = 0;

  const flow = (id: string) =>
    one<FlowNow>(
      pool,
      `SELECT id, status, failure_code AS "failureCode", delivered_at IS NOT NULL AS "isDelivered", attempt_id IS NOT NULL AS "isAttempted" FROM flows WHERE id = $1`,
      [id],
    );

  return {
    fake,
    pool,
    messageIds: await messageIdsOf(pool),
    deviceId,
    async run() {
      if (server !== undefined) return;
      const before = fake.witness.entries.at(-1)?.number ?? 0;
      server = await servers.start(settings);
      await fake.waitFor("login", ({ account }) => account === SHOP, { after: before }).catch((error: Error) => {
        throw new Error(`${error.message}, and the server says: ${server?.output()}`);
      });
      const isOnline = async () => (await query(pool, "SELECT FROM devices WHERE id = $1 AND status = 'ONLINE'", [deviceId])).length === 1;
      await eventually(isOnline, "the device is online");
    },
    async hold(statement, moment) {
      held = await proxy.hold(statement, moment);
    },
    pass() {
      held?.pass();
    },
    async kill() {
      const ended = server?.end("SIGKILL");
      held?.cut();
      [server, held] = [undefined, undefined];
      await ended;
    },
    async enrol(phone, text, laterText) {
      const trigger = `word${(words += 1)}`;
      const steps = [{ trigger, text }, ...(laterText === undefined ? [] : [{ trigger: `${trigger}_later`, text: laterText }])];
      const sequenceId = await addSequence(pool, WORKSPACE, { steps });
      await pool.query("INSERT INTO leads (phone, trigger) VALUES ($1, $2) ON CONFLICT (workspace_id, phone) DO UPDATE SET trigger = excluded.trigger", [phone, trigger]);
      const first = async () => (await query<{ id: string }>(pool, "SELECT id FROM flows WHERE sequence_id = $1", [sequenceId]))[0]?.id;
      return eventually(first, "the lead is enrolled");
    },
    flow,
    async becomes(id, status, failureCode) {
      await eventually(async () => {
        const now = await flow(id);
        return now.status === status && now.failureCode === (failureCode ?? null);
      }, `the flow becomes ${status} ${failureCode ?? ""}`);
    },
    sessions: async () => (await servers.openAll()).flatMap(({ text }) => (text.includes('"_sessions":') ? [text] : [])).toSorted(),
    sentTo: (phone) => fake.witness.of("message").filter((message) => message.phone === phone),
    async stop() {
      held?.cut();
      await servers.stop();
      await proxy.close();
    },
  };
}
