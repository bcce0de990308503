// A statement as one workspace may see the database, in one flight: who asks, the statement, and the end of the transaction go out in one write and come back in
// one answer. With BEGIN, the statement and COMMIT as three round trips, a read took half as long again, and Postgres twice the CPU.
//
// Until a Sync, what comes by the extended protocol is one transaction; it ends with the Sync, and so do settings that were made for the transaction. Nobody else
// who has the connection afterwards has the role or the workspace.

import pg from "pg";

const SCOPE = "SELECT set_config('role', 'rentak_api', true), set_config('app.workspace_id', $1, true)";

type Connection = {
  parse(statement: { text: string; name: string }): void;
  bind(bound: { statement: string; values: readonly unknown[] }): void;
  execute(portal: { portal?: string }): void;
};

type Answered = (error: Error | null, result: pg.QueryResult) => void;
type Statement = { readonly text: string; readonly name?: string; readonly values?: readonly unknown[]; readonly callback?: Answered };

// Of pg's own class, these are what takes part in the conversation; its types know the constructor alone. Tests hold what is built on them.
type Conversing = {
  prepare(connection: unknown): void;
  handleDataRow(row: unknown): void;
  handleCommandComplete(message: unknown, connection: unknown): void;
};
const Query = pg.Query as unknown as new (config: object) => Conversing;

/** A statement in its workspace's scope. `statement` is what it was made of. */
export class Flight extends Query {
  readonly workspaceId: string;
  readonly statement: Statement;
  #isScoped = false;

  constructor(workspaceId: string, statement: Statement) {
    super({ ...statement, queryMode: "extended" });
    this.workspaceId = workspaceId;
    this.statement = statement;
  }

  override prepare(connection: Connection): void {
    connection.parse({ text: SCOPE, name: "" });
    connection.bind({ statement: "", values: [this.workspaceId] });
    connection.execute({});
    super.prepare(connection);
  }

  // What the scope answers is nobody's.
  override handleDataRow(row: unknown): void {
    if (this.#isScoped) super.handleDataRow(row);
  }

  override handleCommandComplete(message: unknown, connection: unknown): void {
    if (this.#isScoped) super.handleCommandComplete(message, connection);
    this.#isScoped = true;
  }
}


/** Takes the place of a connection, for reads. Each statement goes by whichever connection is free. */
export class Flights {
  readonly #pool: pg.Pool;
  readonly #workspaceId: string;

  constructor(pool: pg.Pool, workspaceId: string) {
    this.#pool = pool;
    this.#workspaceId = workspaceId;
  }

  async query(given: string | Statement, values?: readonly unknown[]): Promise<pg.QueryResult> {
    const statement = typeof given === "string" ? { text: given } : given;
    const client = await this.#pool.connect();
    let broken = true;
    try {
      const result = await new Promise<pg.QueryResult>((resolve, reject) => {
        const callback: Answered = (error, done) => (error ? reject(error) : resolve(done));
        client.query(new Flight(this.#workspaceId, { ...statement, values: values ?? statement.values ?? [], callback }) as never);
      });
      broken = false;
      return result;
    } finally {
      // pg takes the scope's parsing for the statement's: after an error it may believe that it has prepared what it has not.
      client.release(broken);
    }
  }
}
