import pg from "pg";

/** Of the token: looked up and noted ever so often, whatever is asked. */
const OF_TOKENS = /^(SELECT id, workspace_id, scopes, expires_at|UPDATE api_tokens)/;

/** The texts of the statements that Postgres is sent while `work` goes on, those that look after tokens apart. */
export async function statementsDuring(work: () => Promise<unknown>): Promise<string[]> {
  const { query: real } = pg.Client.prototype;
  const texts: string[] = [];
  pg.Client.prototype.query = function (this: pg.Client, config: unknown, ...rest: unknown[]) {
    texts.push(typeof config === "string" ? config : ((config as { text?: string }).text ?? ""));
    return (real as (...args: unknown[]) => unknown).call(this, config, ...rest);
  } as typeof real;
  try {
    await work();
  } finally {
    pg.Client.prototype.query = real;
  }
  return texts.filter((text) => !OF_TOKENS.test(text.trim())).toSorted();
}
