import { connectRedis, type Redis } from "../../src/cache/redis.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { createLogger } from "../../src/lib/logger.ts";
import { eventually } from "./eventually.ts";

type ConnectedRedis = { readonly redis: Redis; readonly log: string[] };

/** As a process connects, and there: it has answered. */
export async function connectedRedis(url: string, prefix: string): Promise<ConnectedRedis> {
  const connected = await connectTo(url, prefix);
  await untilAnswering(connected.redis);
  return connected;
}

export async function connectTo(url: string, prefix: string): Promise<ConnectedRedis> {
  const log: string[] = [];
  const redis = await connectRedis({ urls: url.split(",").map((each) => new URL(each)), prefix, clock: systemClock, logger: createLogger("info", { write: (line: string) => void log.push(line) }) });
  return { redis, log };
}

export const untilAnswering = (redis: Redis): Promise<unknown> => eventually(async () => (await redis.command("PING")) !== undefined, "Redis answers", 20_000);
