// Connections to Postgres over a network that delays, loses requests and loses answers. Statements of the real code, executed by the real
// Postgres one at a time, a transaction as a whole.

import type pg from "pg";
import type { Timer } from "../../src/lib/clock.ts";
import { Flight } from "../../src/db/flight.ts";
import type { Random } from "../../src/lib/random.ts";
import type { SimulatedDatabase, Statement } from "./database.ts";
import type { Process, World } from "./world.ts";

/** What becomes of a statement on its way. "silence": executed, and then nothing is heard; "no route": not executed, and nothing is heard. */
export type Fate = "fine" | "request lost" | "answer lost" | "silence" | "no route";

export interface Server {
  /** Decides about each statement. */
  fate: (process: Process, statement: Statement) => Fate;
  /** Told of each statement before and after it is executed, in that very moment. */
  before: (process: Process, statement: Statement) => void;
  after: (process: Process, statement: Statement, result: pg.QueryResult | Error) => void;
  /** Down: nobody is let in, and who is in is thrown out. */
  isDown: () => boolean;
  connect(process: Process): pg.Pool;
  /** Executes at once, between events. */
  look<T extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<T[]>;
  /** Whether some transaction is open. */
  isBusy(): boolean;
  /** Ends all connections, as a restart does. */
  breakAll(): void;
}

/** As createPool asks Postgres for. */
const IDLE_IN_TRANSACTION_MS = 5000;
const QUERY_TIMEOUT_MS = 30_000;

/** Statements that do something about flows, and not only ask whether there are any. */
const NEWS = new Set(["attempt", "settle", "enrol_queued"]);

type Session = { readonly process: Process; inTransaction: boolean; isBroken: boolean; idle: Timer | undefined };

const BROKEN = "Connection terminated unexpectedly";

/** `rewrite`: changes the nodes' statements, in deliberately broken variants. */
export function createServer(world: World, database: SimulatedDatabase, rewrite: (text: string) => string = (text) => text): Server {
  const random = world.random("network");
  let holder: Session | null = null;
  const waiting: (() => Promise<void>)[] = [];
  const sessions = new Set<Session>();

  const release = () => {
    holder = null;
    for (const go of waiting.splice(0)) world.after(0, null, "waits no longer", go, false);
  };

  /** Postgres notices that the other end is gone. */
  const end = (session: Session) => {
    session.isBroken = true;
    session.idle?.cancel();
    sessions.delete(session);
    if (holder !== session) return;
    world.after(0, null, `rolls back ${session.process.name}`, async () => {
      if (holder !== session) return;
      await database.execute(world.now(), { text: "ROLLBACK" });
      release();
    });
  };

  /** Postgres ends a transaction that its process has forgotten. */
  const watchIdle = (session: Session) => {
    session.idle?.cancel();
    session.idle = session.inTransaction ? world.after(IDLE_IN_TRANSACTION_MS, null, "an idle transaction", () => end(session), false) : undefined;
  };

  const execute = async (session: Session, statement: Statement) => {
    const { process } = session;
    if (server.isDown() || session.isBroken) return new Error(BROKEN);
    const word = /^\s*(BEGIN|COMMIT|ROLLBACK)/.exec(statement.text)?.[1];
    if (word === "BEGIN") {
      session.inTransaction = true;
      holder = session;
    }
    server.before(process, statement);
    const text = rewrite(statement.text);
    let result: pg.QueryResult | Error;
    try {
      result = await database.execute(world.now(), { ...statement, text });
    } catch (error) {
      result = error as Error;
    }
    trace(process, statement, result);
    if (word === "COMMIT" || word === "ROLLBACK") {
      session.inTransaction = false;
      release();
    }
    watchIdle(session);
    if (NEWS.has(statement.name ?? "")) world.noteNews();
    server.after(process, statement, result);
    return result;
  };

  const trace = ({ name }: Process, statement: Statement, result: pg.QueryResult | Error) => {
    const answer = result instanceof Error ? `${(result as { code?: string }).code} ${result.message}` : result.rows?.length > 0 ? JSON.stringify(result.rows) : `${result.rowCount}`;
    world.trace.add(`  ${name} » ${statement.name ?? statement.text.trim().replaceAll(/\s+/g, " ").slice(0, 60)} → ${answer.slice(0, 300)}`);
  };

  const send = (session: Session, statement: Statement, latency: () => number) =>
    new Promise<pg.QueryResult>((resolve, reject) => {
      const { process } = session;
      const fail = (ms: number, message: string) => {
        end(session);
        world.after(ms, process, "a connection broke", () => reject(new Error(message)));
      };
      const arrive = async () => {
        // A transaction that is open holds back everybody else, as if each took the rows that the others want.
        if (holder !== null && holder !== session) return void waiting.push(arrive);
        const fate = session.isBroken ? "request lost" : server.fate(process, statement);
        if (fate === "request lost") return fail(latency(), BROKEN);
        if (fate === "no route") return fail(QUERY_TIMEOUT_MS, "Query read timeout");
        const result = await execute(session, statement);
        if (fate === "answer lost") return fail(latency(), BROKEN);
        if (fate === "silence") return fail(QUERY_TIMEOUT_MS, "Query read timeout");
        const answer = () => {
          if (result instanceof Error) reject(result);
          else resolve(result);
        };
        world.after(latency(), process, "an answer", answer, false);
      };
      world.after(latency(), null, "a request", arrive, false);
    });

  const connect = (process: Process): pg.Pool => {
    const latency = latencyOf(random);
    const open = (): Session => {
      const session = { process, inTransaction: false, isBroken: false, idle: undefined };
      sessions.add(session);
      return session;
    };
    process.onKill(() => {
      for (const session of sessions) if (session.process === process) end(session);
    });
    const statementOf = (config: string | Statement, values?: readonly unknown[]): Statement =>
      typeof config === "string" ? { text: config, values } : { ...config, values: config.values ?? values };
    /** Its scope goes by statements of its own: what is lost on the way is then the one or the other. */
    const fly = async (session: Session, { workspaceId, statement: { callback, ...statement } }: Flight) => {
      const say = (text: string) => send(session, { text }, latency);
      try {
        await say(`BEGIN; SET LOCAL ROLE rentak_api; SET LOCAL app.workspace_id = '${workspaceId}'`);
        // Prepared, it would be kept under its name with the role that it was first asked by.
        const { name: _name, ...unnamed } = statement;
        const result = await send(session, unnamed, latency);
        await say("COMMIT");
        callback?.(null, result);
      } catch (error) {
        callback?.(error as Error, undefined as never);
      }
    };
    const pool = {
      async query(config: string | Statement, values?: readonly unknown[]) {
        const session = open();
        const result = await send(session, statementOf(config, values), latency);
        sessions.delete(session);
        return result;
      },
      async connect() {
        const session = open();
        let last: Promise<unknown> = Promise.resolve();
        return {
          query(config: string | Statement | Flight, values?: readonly unknown[]) {
            const begun = (): Promise<unknown> => (config instanceof Flight ? fly(session, config) : send(session, statementOf(config, values), latency));
            const result = last.then(begun);
            last = result.catch(() => {});
            return result;
          },
          release(broken?: boolean | Error) {
            if (broken || session.inTransaction) end(session);
            sessions.delete(session);
          },
        };
      },
    };
    return pool as unknown as pg.Pool;
  };

  const server: Server = {
    fate: () => "fine",
    before: () => {},
    after: () => {},
    isDown: () => false,
    connect,
    async look<T extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) {
      return (await database.execute(world.now(), { text, values })).rows as T[];
    },
    isBusy: () => holder !== null,
    breakAll() {
      for (const session of [...sessions]) end(session);
    },
  };
  return server;
}

/** Mostly a fraction of a millisecond, sometimes far more: packets that were sent again, a checkpoint. */
const latencyOf = (random: Random) => () => (random() < 0.02 ? 20 + 480 * random() ** 3 : 0.2 + random());
