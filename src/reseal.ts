// `npm run reseal`: seals with the newest key of RENTAK_ENCRYPTION_KEY all that an older one has sealed, so that the older one can go. Runs beside the servers.

import { createPool } from "./db/client.ts";
import { openBeside } from "./db/beside.ts";
import { parseConfig } from "./config.ts";
import { OperatorError } from "./lib/errors.ts";
import { type ResealProgress, reseal } from "./db/resealing.ts";
import { UnsealError } from "./lib/sealing.ts";
import { keepEncryptionKeys, openSealing, resealNameKey } from "./transports/whatsapp/encryption-key.ts";
import { SEALED_OF_WHATSAPP } from "./transports/whatsapp/sealed.ts";
import { SEALED_OF_WEBHOOKS } from "./webhooks/sealed.ts";

async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const database = await openBeside(config);
  const pool = createPool(database.url, { max: 1, idle: 1, lifetimeSeconds: 0, onError: () => {} });
  try {
    const { sealer } = await openSealing(pool, await keepEncryptionKeys(config.dataDir, config.encryptionKeys));
    await resealNameKey(pool, sealer);
    const done = await reseal(pool, sealer, [...SEALED_OF_WHATSAPP, ...SEALED_OF_WEBHOOKS], show);
    console.log(`${process.stdout.isTTY ? "\r" : ""}${described(done)} The older keys can go.`);
  } finally {
    await pool.end();
    await database.stop();
  }
}

const described = ({ rows, resealed }: ResealProgress) => `${rows.toLocaleString("en")} rows looked at, ${resealed.toLocaleString("en")} sealed anew.`;

function show(progress: ResealProgress): void {
  if (process.stdout.isTTY) process.stdout.write(`\r${described(progress)}`);
}

function explain(error: unknown): unknown {
  if (error instanceof OperatorError) return error.message;
  return error instanceof UnsealError ? "Something was sealed with a key that RENTAK_ENCRYPTION_KEY does not name. No key can go: bring that one back." : error;
}

await main().catch((error: unknown) => {
  console.error(explain(error));
  process.exitCode = 1;
});
