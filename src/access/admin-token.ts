import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { newSecret } from "./secret.ts";

const FILE = "admin-token";

export type AdminToken = {
  readonly secret: string;
  readonly file: string;
  /** Made just now: nobody knows it yet. */
  readonly isNew: boolean;
  /** The one that was kept before, where another has been set. */
  readonly replaced: string | undefined;
};

/** The admin's token: the one set, else the one kept from before, else a new one. The file always has the one in force. */
export async function keepAdminToken(dataDir: string, set: string | undefined): Promise<AdminToken> {
  const file = join(dataDir, FILE);
  const kept = await read(file);
  const secret = set ?? kept ?? newSecret();
  if (secret !== kept) {
    // Written beside it and renamed: a crash in between leaves the old one, never half of one.
    const draft = `${file}.${process.pid}`;
    await writeFile(draft, `${secret}\n`, { mode: 0o600 });
    await rename(draft, file);
  }
  return { secret, file, isNew: set === undefined && kept === undefined, replaced: secret === kept ? undefined : kept };
}

async function read(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, "utf8")).trim() || undefined;
  } catch (error) {
    // Only "not there" means that there is none: one that cannot be read must not be replaced.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
