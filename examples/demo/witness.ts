import { createReadStream } from "node:fs";
import { createInterface } from "node:readline/promises";

/** Counts the messages that the simulator was given since `since` (ms since the epoch), and those whose message id it was given before. */
export async function readWitness(file: string, since: number): Promise<{ messages: number; duplicates: number }> {
  const seen = new Set<string>();
  let messages = 0;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    // The last line of a server that was killed may be half of one.
    const entry = parse(line);
    if (entry === undefined || Date.parse(entry.at) < since) continue;
    messages += 1;
    seen.add(entry.messageId);
  }
  return { messages, duplicates: messages - seen.size };
}

function parse(line: string): { at: string; messageId: string } | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
