// Each server has one core, so that what it can do does not hang on how many threads it keeps.

import { execFileSync } from "node:child_process";

const SERVER_CORE = "0";

/** Holds all threads of a process to one core. False where this machine has no `taskset`. */
export function holdToOneCore(pid: number): boolean {
  try {
    execFileSync("taskset", ["--all-tasks", "--cpu-list", "--pid", SERVER_CORE, String(pid)], { stdio: "ignore" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
