import { randomUUID } from "node:crypto";
import type { Redis } from "../cache/redis.ts";
import type { Clock } from "../lib/clock.ts";
import { type Bell, createBell, isTopic, type Topic } from "./bell.ts";

/** A thousand rings in a moment are one message. */
const GATHER_MS = 5;

/** A bell that the other processes hear as well. A ring that gets lost costs speed and nothing else: whoever listens also looks by itself from time to time. */
export function createSharedBell(redis: Redis, clock: Clock): Bell {
  const here = createBell();
  const self = randomUUID();
  const channel = redis.key("bell");
  const rung = new Set<Topic>();

  const publish = () => {
    const topics = [...rung];
    rung.clear();
    void redis.command("PUBLISH", channel, [self, ...topics].join(" "));
  };
  redis.subscribe(channel, (message) => {
    const [from, ...topics] = message.split(" ");
    if (from === self) return;
    for (const topic of topics) if (isTopic(topic)) here.ring(topic);
  });

  return {
    ring(topic) {
      here.ring(topic);
      if (rung.size === 0) clock.setTimeout(publish, GATHER_MS);
      rung.add(topic);
    },
    listen: here.listen,
  };
}
