import { randomUUID } from "node:crypto";
import { deserialize, serialize } from "node:v8";
import { type CacheStore, LIFE_MS } from "./cache.ts";
import type { Redis } from "./redis.ts";

/** A group is one hash, which goes as a whole; under GENERATION it has its generation. */
const GENERATION = "";

const OPEN = `
  local got = redis.call('HMGET', KEYS[1], '${GENERATION}', unpack(ARGV, 3))
  if not got[1] then
    redis.call('HSET', KEYS[1], '${GENERATION}', ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    got[1] = ARGV[1]
  end
  return got`;

/** Not into a later generation: it may have been read before the change that ended its own. */
const PUT = `
  if redis.call('HGET', KEYS[1], '${GENERATION}') == ARGV[1] then
    redis.call('HSET', KEYS[1], unpack(ARGV, 2))
  end`;

/** Lua takes some thousand arguments in a call. */
const MOST_FIELDS = 3000;

/** Lists beyond this are not worth the way. */
const MOST_BYTES = 1_000_000;

/** Shared by all processes of the installation; away when Redis is. Commands of one process are done in their order, so that what it asks for after a `forget` is
 *  never from before. */
export function createRedisStore(redis: Redis): CacheStore {
  const keyOf = (group: string) => redis.key("cache", group);

  return {
    async open(group, fields) {
      if (fields.length > MOST_FIELDS) return undefined;
      const answer = await redis.command("EVAL", OPEN, 1, keyOf(group), randomUUID(), LIFE_MS, ...fields);
      if (!Array.isArray(answer)) return undefined;
      const [id, ...values] = answer as (Buffer | null)[];
      if (!id) return undefined;
      return { id: id.toString(), known: new Map(fields.flatMap((field, index) => decode(values[index]).map((value) => [field, value] as const))) };
    },
    async put(group, generation, read) {
      const encoded = [...read].flatMap(([field, value]) => {
        const bytes = serialize(value);
        return bytes.length > MOST_BYTES ? [] : [field, bytes];
      });
      if (encoded.length > 0) await redis.command("EVAL", PUT, 1, keyOf(group), generation, ...encoded);
    },
    forget: (group) => void redis.command("UNLINK", keyOf(group)),
  };
}

/** None where there is none, or where it was written by a version that this one cannot read. */
function decode(bytes: Buffer | null | undefined): [] | [unknown] {
  if (!bytes) return [];
  try {
    return [deserialize(bytes)];
  } catch {
    return [];
  }
}
