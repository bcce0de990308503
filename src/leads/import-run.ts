import pg from "pg";
import type { WorkspaceDb } from "../db/workspace.ts";
import type { Clock } from "../lib/clock.ts";
import { SECOND_MS } from "../lib/clock.ts";
import type { Result } from "../lib/errors.ts";
import { BrokenCsvError, type CsvStream, type RawRow } from "./csv-stream.ts";
import { rejected, writeBatch, type Batch } from "./import-batch.ts";
import type { OptOutHash } from "./screen.ts";

export type ImportJob = {
  readonly id: string;
  readonly db: WorkspaceDb;
  readonly optOutHash: OptOutHash;
  readonly csv: CsvStream;
  readonly newBatch: () => Batch;
  readonly bytesRead: () => number;
};

/** How it ended: at the file's end, at a line that is no CSV, because the source broke off, or because others ended the import. */
export type ImportOutcome = { readonly kind: "done" | "broken file" | "source gone" | "ended by others"; readonly cause?: unknown };

/** A slow sender's rows are shown though they are no full batch yet. */
const SHOW_AFTER_MS = SECOND_MS;

const ENDED: ImportOutcome = { kind: "ended by others" };

/** Imports the rows. Whatever the outcome, all that was read and could be written has been; throws where writing failed. */
export async function runImport(job: ImportJob, clock: Clock, written: () => void, cancelled: AbortSignal): Promise<ImportOutcome> {
  const writer = createWriter(job, written);
  let batch = job.newBatch();
  let writtenAt = clock.monotonic();
  const flush = async () => {
    const isRunning = await writer.write(batch);
    batch = job.newBatch();
    writtenAt = clock.monotonic();
    return isRunning;
  };
  for (;;) {
    const read = await readSome(job.csv, cancelled);
    for (const row of read.rows) {
      batch.add(row);
      if (batch.isFull() && !(await flush())) return ENDED;
    }
    if (read.outcome) {
      const { cause } = read.outcome;
      if (read.outcome === ENDED) {
        // The batch that is being written is over before the import is, whichever way.
        await writer.drained().catch(() => {});
        return ENDED;
      }
      // Only the line that the quote is opened in: what it took in after that may be cut off in the middle of a row.
      if (cause instanceof BrokenCsvError) batch.reject(rejected({ line: cause.line, raw: cause.raw.split(/\r\n|\r|\n/, 1)[0] ?? "" }, cause.message));
      return (await flush()) && (await writer.drained()) ? read.outcome : ENDED;
    }
    if (!batch.isEmpty() && clock.monotonic() - writtenAt > SHOW_AFTER_MS && !(await flush())) return ENDED;
  }
}

type Read = { readonly rows: readonly RawRow[]; readonly outcome?: ImportOutcome };

/** The next rows, or the end; cancelled, it waits for no sender who is silent. */
function readSome(csv: CsvStream, cancelled: AbortSignal): Promise<Read> {
  return new Promise((resolve) => {
    const settle = (read: Read) => {
      cancelled.removeEventListener("abort", end);
      resolve(read);
    };
    const end = () => settle({ rows: [], outcome: ENDED });
    if (cancelled.aborted) return end();
    cancelled.addEventListener("abort", end);
    csv.rows.next().then(
      (next) => settle(next.done ? { rows: [], outcome: { kind: "done" } } : { rows: next.value }),
      (cause: unknown) => settle({ rows: [], outcome: { kind: cause instanceof BrokenCsvError ? "broken file" : "source gone", cause } }),
    );
  });
}

type Writer = {
  /** Waits for the batch before: one is written while the next is parsed, and no more are held. False where the import is running no
   *  more. */
  write(batch: Batch): Promise<boolean>;
  drained(): Promise<boolean>;
};

function createWriter({ id, db, optOutHash, bytesRead }: ImportJob, written: () => void): Writer {
  let last: Promise<Result<null>> | undefined;
  const drained = async () => (await last)?.ok !== false;
  return {
    async write(batch) {
      if (!(await drained())) return false;
      const bytes = bytesRead();
      last = patiently(() => db.write((tx) => writeBatch(tx, optOutHash, db.id, id, batch, bytes)));
      // Looked at with the next batch; until then a failure must not end the process as one that nobody handles.
      last.then(written, () => {});
      return true;
    },
    drained,
  };
}

const LOCK_TIMEOUT = "55P03";
const MAX_WAITS = 30;

/** Waits on where others hold the rows for longer than a connection waits for a lock: a change of every lead's triggers takes a while. */
async function patiently<T>(run: () => Promise<T>): Promise<T> {
  for (let wait = 1; ; wait++) {
    try {
      return await run();
    } catch (error) {
      if (wait >= MAX_WAITS || !isLockTimeout(error)) throw error;
    }
  }
}

function isLockTimeout(error: unknown): boolean {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return cause instanceof pg.DatabaseError && cause.code === LOCK_TIMEOUT;
}
