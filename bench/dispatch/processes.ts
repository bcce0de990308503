// What processes have used, as the Linux kernel counts it.

import { readdir, readFile } from "node:fs/promises";

/** The kernel counts in hundredths of a second, on every platform that Node runs on. */
const TICK_US = 10_000;

type Stat = { readonly pid: number; readonly parent: number; readonly ownUs: number; readonly reapedUs: number };

/** CPU time of one process, in µs; 0 once it has ended. */
export const cpuOf = async (pid: number): Promise<number> => (await statOf(pid))?.ownUs ?? 0;

/** CPU time in µs of a process, its children, and those children that it had and that have ended: Postgres's sessions come and go. */
export async function cpuOfFamily(pid: number): Promise<number> {
  const numbers = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const stats = (await Promise.all(numbers.map(statOf))).filter((stat) => stat !== undefined);
  return stats.reduce((sum, stat) => {
    if (stat.pid === pid) return sum + stat.ownUs + stat.reapedUs;
    return stat.parent === pid ? sum + stat.ownUs : sum;
  }, 0);
}

/** CPU time in µs of everything that runs on this machine, and what there was of it in all. */
export async function cpuOfMachine(): Promise<{ usedUs: number; totalUs: number }> {
  const [, user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, softIrq = 0, stolen = 0] = (await readFile("/proc/stat", "utf8")).split(/\s+/, 9).map(Number);
  const used = user + nice + system + irq + softIrq + stolen;
  return { usedUs: used * TICK_US, totalUs: (used + idle + waiting) * TICK_US };
}

/** The most memory that the process ever held, in MB; 0 once it has ended. */
export const peakMemoryOf = async (pid: number): Promise<number> => megabytes(await statusOf(pid), /VmHWM:\s+(\d+) kB/);

/** The memory that the process holds, in MB; 0 once it has ended. */
export const memoryOf = async (pid: number): Promise<number> => megabytes(await statusOf(pid), /VmRSS:\s+(\d+) kB/);

const statusOf = (pid: number): Promise<string> => readFile(`/proc/${pid}/status`, "utf8").catch(() => "");

const megabytes = (status: string, line: RegExp): number => Number(line.exec(status)?.[1] ?? 0) / 1000;

export async function parentOf(pid: number): Promise<number> {
  const stat = await statOf(pid);
  if (!stat) throw new Error(`there is no process ${pid}`);
  return stat.parent;
}

async function statOf(pid: number): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined); // it may have ended since it was listed
  if (text === undefined) return undefined;
  // The name may hold blanks and brackets: what follows its last bracket are plain numbers, from the state (field 3) on.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => Number(fields[number - 3]);
  return { pid, parent: field(4), ownUs: (field(14) + field(15)) * TICK_US, reapedUs: (field(16) + field(17)) * TICK_US };
}
