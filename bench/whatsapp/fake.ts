// The fake WhatsApp that runs beside the server under test.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { BufferJSON } from "baileys";
import type { LinkedCredentials } from "../../test/support/fake-whatsapp/fake.ts";
import type { FakeAddress } from "./fake-process.ts";

const MAIN = join(import.meta.dirname, "fake-process.ts");

/** Enough that no device uploads more when it logs in, as one that was paired long ago does not. */
const PRE_KEYS = 10;

export type BenchFake = FakeAddress & {
  readonly pid: number;
  /** Credentials of a device that is linked to this account. */
  readonly link: (account: string) => Promise<LinkedCredentials>;
  /** Resets every connection, and all that are tried from now on. */
  readonly cut: () => Promise<void>;
  readonly mend: () => Promise<void>;
  /** Its log is whole then. */
  readonly stop: () => Promise<void>;
};

/** `logFile`: where its witness writes. */
export async function startFake(logFile: string): Promise<BenchFake> {
  const child = fork(MAIN, [logFile]);
  const [address] = (await Promise.race([once(child, "message"), once(child, "exit").then(() => Promise.reject(new Error("the fake WhatsApp has ended")))])) as [FakeAddress];

  const command = async (name: string, ...given: readonly unknown[]): Promise<unknown> => {
    const response = await fetch(`${address.controlUrl}/control`, { method: "POST", body: JSON.stringify({ command: name, arguments: given }) });
    const { result, error } = JSON.parse(await response.text(), BufferJSON.reviver) as { result?: unknown; error?: string };
    if (!response.ok) throw new Error(`the fake WhatsApp refuses ${name}: ${error}`);
    return result;
  };

  return {
    ...address,
    pid: child.pid ?? 0,
    link: async (account) => (await command("link", account, { preKeys: PRE_KEYS })) as LinkedCredentials,
    cut: async () => void (await command("cutAll")),
    mend: async () => void (await command("setGate", "open")),
    stop: () => ended(child),
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  await exit;
}
