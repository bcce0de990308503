// The key that credentials are sealed with, and the check that a database was sealed with it.

import { randomBytes, randomUUID } from "node:crypto";
import { link, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
import { OperatorError } from "../../lib/errors.ts";
import { createNameHash, createSealer, KEY_BYTES, type NameHash, parseKey, type Sealer, UnsealError } from "../../lib/sealing.ts";

const FILE = "encryption-key";
const NAME_KEY_PLACE = "installation/name key";

export type EncryptionKeys = {
  readonly keys: readonly Buffer[];
  /** In words, for messages. */
  readonly origin: string;
};

export type Sealing = { readonly sealer: Sealer; readonly nameHash: NameHash };

/** The keys set, else the one kept in `dataDir` from before, else a new one, which is kept there. */
export async function keepEncryptionKeys(dataDir: string, set: readonly Buffer[] | undefined): Promise<EncryptionKeys> {
  if (set !== undefined) return { keys: set, origin: "RENTAK_ENCRYPTION_KEY" };
  const file = join(dataDir, FILE);
  return { keys: [(await read(file)) ?? (await make(dataDir, file))], origin: file };
}

async function read(file: string): Promise<Buffer | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    // Only "not there" means that there is none: one that cannot be read must not be replaced.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const key = parseKey(text.trim());
  if (key === undefined) throw new OperatorError(`${file} holds no encryption key. Bring back the file as it was: what is sealed opens with no other key.`);
  return key;
}

/** Whoever puts it in its place first has made it; a process that starts at the same time takes that one. */
async function make(dataDir: string, file: string): Promise<Buffer> {
  const draft = join(dataDir, `${FILE}.${randomUUID()}`);
  try {
    const handle = await open(draft, "wx", 0o600);
    try {
      await handle.writeFile(`${randomBytes(KEY_BYTES).toString("base64")}\n`);
      // On the disk before anything is sealed with it: a machine that lost its power would come back with sealed rows and no key.
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(draft, file).catch(unlessThere);
    await syncFolder(dataDir);
  } finally {
    await rm(draft, { force: true });
  }
  const key = await read(file);
  if (key === undefined) throw new Error(`${file} was taken away while it was made`);
  return key;
}

function unlessThere(error: unknown): void {
  if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Throws OperatorError where this database was sealed with another key: taken for "no credentials", that would have every device paired again. */
export async function openSealing(pool: pg.Pool, { keys, origin }: EncryptionKeys): Promise<Sealing> {
  const sealer = createSealer(keys);
  const mine = sealer.seal(randomBytes(KEY_BYTES), NAME_KEY_PLACE);
  await pool.query("UPDATE installation SET sealed_name_key = $1 WHERE sealed_name_key IS NULL", [mine]);
  const { rows } = await pool.query<{ sealed_name_key: Buffer }>("SELECT sealed_name_key FROM installation");
  const sealed = rows[0]?.sealed_name_key;
  if (sealed === undefined) throw new Error("the row of installation is gone");
  try {
    return { sealer, nameHash: createNameHash(sealer.open(sealed, NAME_KEY_PLACE)) };
  } catch (error) {
    if (!(error instanceof UnsealError)) throw error;
    throw new OperatorError(
      `The devices' credentials in this database were sealed with another key than that of ${origin}. Set RENTAK_ENCRYPTION_KEY to the key they were sealed with, ` +
        "or bring back the data folder's encryption-key; after an exchange of keys, the old one has to stand behind the new one until all is sealed anew.",
      { cause: error },
    );
  }
}

/** Seals the key of names anew, where that was with an older key. Part of `reseal`. */
export async function resealNameKey(pool: pg.Pool, sealer: Sealer): Promise<void> {
  const { rows } = await pool.query<{ sealed_name_key: Buffer | null }>("SELECT sealed_name_key FROM installation");
  const sealed = rows[0]?.sealed_name_key;
  if (sealed == null || sealer.isCurrent(sealed)) return;
  const anew = sealer.seal(sealer.open(sealed, NAME_KEY_PLACE), NAME_KEY_PLACE);
  await pool.query("UPDATE installation SET sealed_name_key = $1 WHERE sealed_name_key = $2", [anew, sealed]);
}
