// Stands between a server and its Postgres. It knows which statement is on its way and when its answer comes, and can hold either, lose it, or fall
// silent as a network does that has lost a machine.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { splitMessages, statementOf, TYPE } from "./postgres-messages.ts";

/** A statement that stands before Postgres, or an answer that stands before the server. */
export type Held = {
  /** Goes on as if nothing had been. */
  pass(): void;
  /** Never arrives; both ends see a connection that was reset. */
  cut(): void;
};

export type Moment = "before" | "after";

export interface PostgresProxy {
  readonly port: number;
  /** Resolves when the next statement of this name stands before Postgres, or has been executed and its answer stands before the server. A statement
   *  without a name goes by its first word: COMMIT. */
  hold(statement: string, moment: Moment): Promise<Held>;
  /** From now on nothing goes through, neither way, and nothing is closed. */
  fallSilent(): void;
  /** New connections work again. Those from before stay dead, as after a partition that lasted longer than any state on the way. */
  heal(): void;
  /** Each message takes this long, each way. */
  delay(ms: number): void;
  /** By which Postgres knows the connections that are open now: client_port of pg_stat_activity. */
  backendPorts(): number[];
  close(): Promise<void>;
}

type Rule = { readonly statement: string; readonly moment: Moment; readonly reached: (held: Held) => void };

/** What all connections of a proxy go by. */
type Conditions = { isSilent: boolean; delayMs: number; rules: Rule[] };

export async function startPostgresProxy(upstream: { readonly host: string; readonly port: number }): Promise<PostgresProxy> {
  const conditions: Conditions = { isSilent: false, delayMs: 0, rules: [] };
  const links = new Set<Link>();
  const unanswered = new Set<Socket>();
  const server = createServer((client) => {
    client.on("error", () => client.destroy());
    if (conditions.isSilent) {
      unanswered.add(client);
      return;
    }
    const link = openLink(client, connect(upstream), conditions, () => links.delete(link));
    links.add(link);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  return {
    port: (server.address() as AddressInfo).port,
    hold: (statement, moment) => new Promise((reached) => conditions.rules.push({ statement, moment, reached })),
    fallSilent() {
      conditions.isSilent = true;
      for (const link of links) link.fallSilent();
    },
    heal() {
      conditions.isSilent = false;
    },
    delay(ms) {
      conditions.delayMs = ms;
    },
    backendPorts: () => [...links].flatMap((link) => link.backendPort() ?? []),
    async close() {
      for (const link of links) link.cut();
      for (const client of unanswered) client.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

type Link = { fallSilent(): void; cut(): void; backendPort(): number | undefined };

function openLink(client: Socket, backend: Socket, conditions: Conditions, onClosed: () => void): Link {
  let isSilent = false;
  /** The statements that Postgres has been given and has not answered, the oldest first. */
  const asked: string[] = [];

  const cut = () => {
    client.resetAndDestroy();
    backend.destroy();
  };
  const offer = (statement: string, moment: Moment, pass: () => void) => {
    const index = conditions.rules.findIndex((rule) => rule.statement === statement && rule.moment === moment);
    const rule = index === -1 ? undefined : conditions.rules.splice(index, 1)[0];
    if (rule === undefined) pass();
    else rule.reached({ pass, cut });
  };

  const toBackend = createGate(backend, conditions, () => isSilent);
  const toClient = createGate(client, conditions, () => isSilent);
  client.on("data", splitMessages(true, createQuestions((statement, bytes, expectsAnswer) => {
    offer(statement, "before", () => {
      if (expectsAnswer) asked.push(statement);
      toBackend.write(bytes);
    });
  })));
  backend.on("data", splitMessages(false, createAnswers(asked, (statement, bytes) => {
    if (statement === undefined) toClient.write(bytes);
    else offer(statement, "after", () => toClient.write(bytes));
  })));

  for (const [from, to] of [[client, backend], [backend, client]] as const) {
    from.setNoDelay(true);
    from.on("error", () => from.destroy());
    from.on("close", () => {
      if (isSilent) return;
      // What it said last, why it closes for instance, is on its way yet.
      (to === client ? toClient : toBackend).end();
      onClosed();
    });
  }
  return {
    fallSilent() {
      isSilent = true;
      client.pause();
      backend.pause();
    },
    cut,
    backendPort: () => backend.localPort,
  };
}

/** Gathers what the server says up to where it waits for an answer. */
function createQuestions(ask: (statement: string, bytes: Buffer, expectsAnswer: boolean) => void) {
  let gathered: Buffer[] = [];
  let statement = "";
  return (type: string, message: Buffer) => {
    gathered.push(message);
    statement = statementOf(type, message) ?? statement;
    const expectsAnswer = type === TYPE.startup || type === TYPE.sync || type === TYPE.query;
    if (!expectsAnswer && type !== TYPE.password && type !== TYPE.terminate) return;
    ask(type === TYPE.startup ? TYPE.startup : statement, Buffer.concat(gathered), expectsAnswer);
    gathered = [];
    statement = "";
  };
}

/** Gathers each answer until it is whole. What is no answer, a notice or the steps of logging in, comes one by one, of no statement. */
function createAnswers(asked: string[], answer: (statement: string | undefined, bytes: Buffer) => void) {
  let gathered: Buffer[] = [];
  return (type: string, message: Buffer) => {
    const statement = asked[0];
    if (statement === undefined || statement === TYPE.startup) {
      if (type === TYPE.ready) asked.shift();
      return answer(undefined, message);
    }
    gathered.push(message);
    if (type === TYPE.ready) {
      asked.shift();
      answer(statement, Buffer.concat(gathered));
      gathered = [];
    } else if (isLastWord(type, message)) {
      // Postgres ends the connection and says why; nothing follows that would make the answer whole.
      answer(undefined, Buffer.concat(gathered));
      gathered = [];
    }
  };
}

const isLastWord = (type: string, message: Buffer) => type === TYPE.error && /SFATAL\0|SPANIC\0/.test(message.toString("latin1"));

/** Writes in order, each message after the delay. */
function createGate(socket: Socket, conditions: Conditions, isSilent: () => boolean) {
  let lastAt = 0;
  const after = (run: () => void) => {
    const now = performance.now();
    lastAt = Math.max(lastAt, now + conditions.delayMs);
    if (lastAt <= now) run();
    else setTimeout(run, lastAt - now);
  };
  return {
    write: (bytes: Buffer) => after(() => void (isSilent() || socket.destroyed || socket.write(bytes))),
    end: () => after(() => void (isSilent() || socket.destroyed || socket.end())),
  };
}
