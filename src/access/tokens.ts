import type pg from "pg";
import { MINUTE_MS, SECOND_MS, type Clock } from "../lib/clock.ts";
import type { RequestLimit } from "./request-limit.ts";
import { TOKEN_SCOPES, type TokenScope } from "./scopes.ts";
import { hashOf, isPlausible, shownPrefix } from "./secret.ts";

/** Who calls: a token that is good now. */
export type Access = {
  readonly tokenId: string;
  readonly workspaceId: string;
  readonly scopes: readonly TokenScope[];
  readonly hash: string;
};

export interface Tokens {
  /** Null where the secret belongs to no token, or to one that is expired or revoked. */
  authenticate(secret: string): Promise<Access | null>;
  /** Counts a request of it. Null where it may be made, else in how many seconds the next one may. */
  admit(access: Access): Promise<number | null>;
  /** Looks again, for who was let in earlier. Hears of a revocation within ten seconds. */
  again(access: Access): Promise<Access | null>;
}

/** How long an answer is trusted before the database is asked again: the longest that a revoked token goes on. */
const TRUSTED_MS = 10 * SECOND_MS;
const MAX_REMEMBERED = 10_000;

type Row = { id: string; workspace_id: string; scopes: TokenScope[]; expires_at: Date | null; last_used_at: Date | null };
type Remembered = { readonly access: Access | null; readonly expiresAtMs: number; readonly until: number };

export type TokensOptions = { readonly pool: pg.Pool; readonly clock: Clock; readonly limit: RequestLimit };

export function createTokens({ pool, clock, limit }: TokensOptions): Tokens {
  const remembered = new Map<string, Remembered>();

  const look = async (hash: string): Promise<Remembered> => {
    const found = await pool.query<Row>(
      "SELECT id, workspace_id, scopes, expires_at, last_used_at FROM api_tokens WHERE hash = $1 AND revoked_at IS NULL",
      [Buffer.from(hash, "hex")],
    );
    const row = found.rows[0];
    const until = clock.monotonic() + TRUSTED_MS;
    if (!row) return { access: null, expiresAtMs: Infinity, until };
    if (clock.now() - (row.last_used_at?.getTime() ?? 0) > MINUTE_MS) await noteUse(pool, row.id);
    const scopes = row.scopes.filter((scope) => TOKEN_SCOPES.includes(scope));
    return {
      access: { tokenId: row.id, workspaceId: row.workspace_id, scopes, hash },
      expiresAtMs: row.expires_at?.getTime() ?? Infinity,
      until,
    };
  };

  const byHash = async (hash: string): Promise<Access | null> => {
    let known = remembered.get(hash);
    if (!known || known.until < clock.monotonic()) {
      known = await look(hash);
      remembered.delete(hash);
      remembered.set(hash, known);
      // The oldest goes first: somebody who tries secrets must not fill the memory.
      if (remembered.size > MAX_REMEMBERED) remembered.delete(remembered.keys().next().value as string);
    }
    return known.expiresAtMs > clock.now() ? known.access : null;
  };

  return { authenticate: async (secret) => (isPlausible(secret) ? byHash(hashOf(secret).toString("hex")) : null), admit: ({ tokenId }) => limit.take(tokenId), again: ({ hash }) => byHash(hash) };
}

/** At most once a minute: a row written at every request would be the busiest of the database. */
async function noteUse(pool: pg.Pool, id: string): Promise<void> {
  await pool.query(
    `UPDATE api_tokens SET last_used_at = now()
      WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`,
    [id],
  );
}

/** Sees to it that `secret` is an admin's: of the default workspace, with every scope. One that was revoked is good again: who can set the secret
 *  can also read the database. `replaced`: the one that it stands in for, which is good no longer. */
export async function ensureAdminToken(pool: pg.Pool, secret: string, replaced?: string): Promise<void> {
  await pool.query(
    `INSERT INTO api_tokens (name, scopes, hash, prefix) VALUES ('admin', $1, $2, $3)
     ON CONFLICT (hash) DO UPDATE SET scopes = excluded.scopes, revoked_at = NULL, expires_at = NULL`,
    [TOKEN_SCOPES, hashOf(secret), shownPrefix(secret)],
  );
  if (replaced === undefined) return;
  await pool.query("UPDATE api_tokens SET revoked_at = now() WHERE hash = $1 AND revoked_at IS NULL", [hashOf(replaced)]);
}
