import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { OperatorError } from "../lib/errors.ts";
import { createLogger } from "../lib/logger.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded.ts";

/** The server's database, for a tool of an operator's: beside a running server it joins its Postgres; else it starts it for as long as the tool runs. */
export async function openBeside({ databaseUrl, dataDir }: Pick<Config, "databaseUrl" | "dataDir">): Promise<EmbeddedPostgres> {
  if (databaseUrl) return { url: databaseUrl, stop: () => Promise.resolve() };
  const postgres = join(dataDir, "postgres");
  if (existsSync(postgres)) return startEmbeddedPostgres({ dataDir: postgres, log: createLogger("silent") });
  throw new OperatorError(`There is no database in ${dataDir} yet: \`npm start\` makes it. Or set DATABASE_URL.`);
}
