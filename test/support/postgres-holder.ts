// A process that holds an embedded Postgres: node postgres-holder.ts <data folder>. Says "ready <address>" when it runs, stops it on SIGTERM.

import { startEmbeddedPostgres } from "../../src/db/embedded.ts";

const log = { info: () => {}, warn: console.error, error: console.error };
const postgres = await startEmbeddedPostgres({ dataDir: process.argv[2] ?? "", log, durable: false });
process.on("SIGINT", () => {}); // Ctrl-C: a server would be draining now
process.on("SIGTERM", () => void postgres.stop());
console.log(`ready ${postgres.url}`);
