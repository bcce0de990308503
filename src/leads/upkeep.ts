// What is done for leads from time to time, by every process: two that do it at once share it.

import type pg from "pg";
import { transaction } from "../db/transaction.ts";
import type { Bell } from "../events/bell.ts";
import { type Clock, SECOND_MS } from "../lib/clock.ts";
import { createLoop, type Loop } from "../lib/loop.ts";
import type { Logger } from "../lib/logger.ts";
import { sweepErased } from "./erase.ts";
import { type OptOutHash, screenLeads } from "./screen.ts";

const INTERVAL_MS = 2 * SECOND_MS;

export type LeadUpkeepOptions = {
  readonly pool: pg.Pool;
  readonly bell: Bell;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly optOutHash: OptOutHash;
};

/** Holds numbers that SQL wrote against the opt-outs of erased people, and removes what is left of those who are gone. */
export function createLeadUpkeep({ pool, bell, clock, logger, optOutHash }: LeadUpkeepOptions): Loop {
  const screen = () => transaction(pool, (client) => screenLeads(client, optOutHash));
  const cycle = async () => {
    while (await screen()) bell.ring("enrollment");
    while (await sweepErased(pool));
  };
  return createLoop({ cycle, intervalMs: INTERVAL_MS, clock, onError: (error) => logger.error({ err: error }, "the upkeep of leads failed, to be tried again") });
}
