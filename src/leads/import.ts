// CSV imports: a stream of any size in bounded memory, batch by batch, the source being read no faster than Postgres takes it.

import type { Readable } from "node:stream";
import type pg from "pg";
import type { WorkspaceDb } from "../db/workspace.ts";
import type { Bell } from "../events/bell.ts";
import { SECOND_MS, type Clock } from "../lib/clock.ts";
import { invalid, ok, refused, type Result } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import { createLoop } from "../lib/loop.ts";
import { readHeader, type RowDefaults } from "./csv.ts";
import { BrokenCsvError, NotCsvError, openCsv, type CsvStream } from "./csv-stream.ts";
import { createBatch } from "./import-batch.ts";
import { followImport } from "./import-progress.ts";
import { runImport, type ImportJob } from "./import-run.ts";
import {
  cancelImport, createImport, failAbandonedImports, finishImport, keepImportsAlive, type ImportCall, type ImportingProcess, type LeadImport,
} from "./import-state.ts";
import { checkConsent } from "./input.ts";
import type { OptOutHash } from "./screen.ts";
import { joinTriggers, parseTriggers } from "./triggers.ts";
import { defaultCountryOf } from "./write.ts";

export type ImportSource = ImportCall & {
  readonly db: WorkspaceDb;
  readonly stream: Readable;
  readonly idempotencyKey?: string | null | undefined;
};

export type BegunImport = {
  readonly id: string;
  /** When it is over, however it ended; never rejects. At once for the repeat of an earlier call, whose stream is not read. */
  readonly done: Promise<void>;
  readonly isRepeat: boolean;
};

export interface Importer {
  /** Reads as far as the header, makes the import and goes on in the background. Refused where the header is wrong: nothing is kept then.
   *  The stream is the caller's to end. Rejects where it breaks off before the header has come. */
  begin(source: ImportSource): Promise<Result<BegunImport>>;
  /** The import as it is now, then at most once a second as it goes on, and at once when it is over, which ends the iteration. */
  follow(db: WorkspaceDb, id: string, signal: AbortSignal): AsyncGenerator<LeadImport>;
  /** It is cancelled when this has answered. Here it ends at once; in another process with its next batch, or within fifteen seconds. */
  cancel(db: WorkspaceDb, id: string): Promise<Result<string>>;
  /** Looks after imports: says of its own that they are alive, and ends those of processes that died. */
  start(): void;
  /** Ends the imports that are running, as FAILED, with what was done counted. */
  stop(): Promise<void>;
}

export type ImporterDeps = {
  readonly pool: pg.Pool;
  readonly bell: Bell;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly process: ImportingProcess;
  readonly optOutHash: OptOutHash;
};

type Running = { readonly stream: Readable; readonly done: Promise<void>; readonly cancelled: AbortController };

/** Far less than what an import is given up after. */
const KEEP_ALIVE_MS = 15 * SECOND_MS;

export function createImporter({ pool, bell, clock, logger, process, optOutHash }: ImporterDeps): Importer {
  const running = new Map<string, Running>();

  const watch = createLoop({
    cycle: async () => {
      for (const id of await keepImportsAlive(pool, [...running.keys()])) running.get(id)?.cancelled.abort();
      if ((await failAbandonedImports(pool, process)) > 0) bell.ring("imports");
    },
    intervalMs: KEEP_ALIVE_MS,
    clock,
    onError: (error) => logger.error(failure(error), "the imports could not be looked after"),
  });

  const written = () => {
    bell.ring("imports");
    bell.ring("enrollment");
  };

  const run = async (job: ImportJob, cancelled: AbortSignal): Promise<void> => {
    const log = logger.child({ importId: job.id });
    try {
      const outcome = await runImport(job, clock, written, cancelled);
      await finishImport(pool, job.id, outcome.kind === "done" ? "COMPLETED" : "FAILED");
      log.info({ outcome: outcome.kind, ...(outcome.kind === "source gone" && failure(outcome.cause)) }, "an import is over");
    } catch (error) {
      log.error(failure(error), "an import failed");
      // Where even this fails, the import is given up like that of a process which died.
      await finishImport(pool, job.id, "FAILED").catch((second: unknown) => log.error(failure(second), "an import could not be ended"));
    }
    // Not waited for: a sender who is silent would keep it.
    job.csv.close().catch(() => {});
  };

  const launch = (job: ImportJob, stream: Readable): Promise<void> => {
    bell.ring("imports");
    const cancelled = new AbortController();
    const done = run(job, cancelled.signal).finally(() => {
      running.delete(job.id);
      bell.ring("imports");
    });
    running.set(job.id, { stream, done, cancelled });
    return done;
  };

  return {
    async begin({ db, stream, idempotencyKey, ...call }) {
      const defaults = await checkDefaults(db, call);
      if (!defaults.ok) return defaults;
      const counted = { bytes: 0 };
      const csv = await open(stream, counted);
      if (!csv.ok) return csv;
      const columns = readHeader(csv.value.header);
      const { header, delimiter } = csv.value;
      const created = columns.ok ? await createImport(db, call, { header, delimiter, process: process.name }, idempotencyKey) : columns;
      if (!columns.ok || !created.ok || created.value.isRepeat) {
        await csv.value.close();
        return created.ok ? ok({ ...created.value, done: Promise.resolve() }) : created;
      }
      const newBatch = () => createBatch(columns.value, defaults.value);
      const job = { id: created.value.id, db, optOutHash, csv: csv.value, newBatch, bytesRead: () => counted.bytes };
      return ok({ ...created.value, done: launch(job, stream) });
    },
    follow: (db, id, signal) => followImport({ db, bell, clock, signal }, id),
    async cancel(db, id) {
      const cancelled = await cancelImport({ db, bell }, id);
      if (cancelled.ok) running.get(id)?.cancelled.abort();
      return cancelled;
    },
    start: () => watch.start(),
    async stop() {
      for (const { stream } of running.values()) stream.destroy(new Error("the server stops"));
      await Promise.all([...running.values()].map(({ done }) => done));
      await watch.stop();
    },
  };
}

async function checkDefaults(db: WorkspaceDb, { triggers, consent }: ImportCall): Promise<Result<RowDefaults>> {
  const joined = joinTriggers(triggers ?? [], "triggers");
  const agreed = consent ? checkConsent(consent, ["consent"]) : ok(null);
  if (!joined.ok) return joined;
  if (!agreed.ok) return agreed;
  const defaultCountry = await db.read((tx) => defaultCountryOf(tx, db.id));
  return ok({
    defaultCountry,
    triggers: parseTriggers(joined.value),
    consent: agreed.value && { source: agreed.value.source, at: agreed.value.at.toISOString() },
  });
}

async function open(stream: Readable, counted: { bytes: number }): Promise<Result<CsvStream>> {
  try {
    return ok(await openCsv(counting(stream, counted)));
  } catch (error) {
    if (error instanceof NotCsvError) return refused(invalid(error.message, "file"));
    if (!(error instanceof BrokenCsvError)) throw error;
    const message = `The first line must name the columns, and cannot be read. ${error.message} Right would be: phone,name,niche,trigger`;
    return refused(invalid(message, "file"));
  }
}

async function* counting(stream: Readable, counted: { bytes: number }): AsyncGenerator<Uint8Array> {
  try {
    // Not destroyed with the iterator: a request that is ended early must still be answered.
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      counted.bytes += (chunk as Uint8Array).length;
      yield chunk as Uint8Array;
    }
  } finally {
    // Nobody reads the rest, which would hold up a sender who has not been told yet.
    stream.resume();
  }
}

/** A database error's message quotes rows, and those are people; no log may hold them. */
function failure(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { kind: typeof error };
  const cause = error.cause instanceof Error ? error.cause : error;
  const { code, constraint } = cause as { code?: unknown; constraint?: unknown };
  return { name: cause.name, code, constraint, frames: error.stack?.split("\n").filter((line) => line.startsWith("    at ")) };
}
