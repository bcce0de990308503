import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { ProcessIdentity } from "./membership.ts";

/** This process, as its successor can look for it: the machine since it was booted, the space of its process ids (two containers may both have a
 *  process 1), and the id. */
export function processIdentity(): ProcessIdentity {
  const machine = thisMachine();
  return {
    name: `${machine}/${process.pid}`,
    isGone(name) {
      const [, elsewhere, pid] = /^(.*)\/(\d+)$/.exec(name) ?? [];
      // Of another machine nothing is known from here.
      return elsewhere === machine && !isRunning(Number(pid));
    },
  };
}

function thisMachine(): string {
  try {
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}/${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname(); // not Linux
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Not allowed to signal it: it runs.
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}
