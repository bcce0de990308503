// The wire, as seen from outside the servers under test: each process's simulator appends to a log of its own, and every line that comes is stamped
// here, by a clock that no server can set.

import { type FileHandle, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { WitnessLine } from "./witness.ts";

/** It was written after `wireFrom` and not after `wireAt`: ms since the epoch, by the witness's own monotonic clock. */
export type WireLine = WitnessLine & { readonly node: string; readonly wireFrom: number; readonly wireAt: number };

export interface WireWitness {
  /** What RENTAK_SIMULATOR_LOG of this process has to be. */
  logOf(node: string): string;
  /** Everything that was on the wire so far, in order. */
  readonly lines: readonly WireLine[];
  /** Resolves with the next line that `isMeant` says yes to. */
  next(isMeant: (line: WireLine) => boolean): Promise<WireLine>;
  /** Resolves once there have been so many. */
  until(count: number): Promise<void>;
  /** Keeps the lines in a file, for who has to find out what went wrong. */
  save(file: string): Promise<void>;
  /** Takes what is there yet, and looks no more. */
  close(): Promise<void>;
}

const LOOK_MS = 10;
const CHUNK_BYTES = 1 << 20;

export const wireNow = () => performance.timeOrigin + performance.now();

export async function openWireWitness(dir: string, nodes: readonly string[]): Promise<WireWitness> {
  const lines: WireLine[] = [];
  const waiting = new Set<(line: WireLine) => void>();
  const logOf = (node: string) => join(dir, `wire-${node}`);
  const logs = await Promise.all(nodes.map(async (node) => createLog(node, await open(logOf(node), "a+"))));
  let lookedAt = wireNow();
  let isClosed = false;

  const look = async () => {
    const from = lookedAt;
    lookedAt = wireNow();
    for (const log of logs) {
      for (const line of await log.take()) {
        const stamped = { ...line, node: log.node, wireFrom: from, wireAt: wireNow() };
        lines.push(stamped);
        for (const see of waiting) see(stamped);
      }
    }
  };
  const watch = async () => {
    while (!isClosed) {
      await look();
      await delay(LOOK_MS);
    }
    await look();
    for (const log of logs) await log.close();
  };
  const watched = watch();

  const next = (isMeant: (line: WireLine) => boolean) =>
    new Promise<WireLine>((resolve) => {
      const see = (line: WireLine) => {
        if (!isMeant(line)) return;
        waiting.delete(see);
        resolve(line);
      };
      waiting.add(see);
    });

  return {
    lines,
    logOf,
    next,
    async until(count) {
      if (lines.length < count) await next(() => lines.length >= count);
    },
    save: (file) => writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join("")),
    async close() {
      isClosed = true;
      await watched;
    },
  };
}

/** Reads a log that grows; of its last line it may have half. */
function createLog(node: string, file: FileHandle) {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let position = 0;
  return {
    node,
    async take(): Promise<WitnessLine[]> {
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position);
      const end = buffer.subarray(0, bytesRead).lastIndexOf("\n") + 1;
      position += end;
      return buffer.toString("utf8", 0, end).split("\n").flatMap((text) => (text === "" ? [] : [JSON.parse(text) as WitnessLine]));
    },
    close: () => file.close(),
  };
}
