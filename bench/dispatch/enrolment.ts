// A storm of leads that are enrolled while sending goes on: how fast they are, and how long the claims take meanwhile.

import { setTimeout as delay } from "node:timers/promises";
import { once, type BenchPostgres } from "./postgres.ts";
import { startServer, rentakTemplate } from "./rentak.ts";
import { checkPromises } from "./rentak-checks.ts";
import { ENROLLED, type Load, SENT } from "./rentak-rows.ts";
import { logStatements, quantile } from "./statements.ts";
import { table, whole } from "./table.ts";

const SAMPLE_MS = 500;
const SAY_MS = 10_000;

/** The storm is a million words that an import or an UPDATE has left in the queue. Returns the table. Throws BrokenPromise, or where it takes
 *  longer than `seconds`. */
export async function enrolWhileSending(postgres: BenchPostgres, load: Load, seconds: number, say: (line: string) => void): Promise<string> {
  const template = await rentakTemplate(postgres, load);
  return postgres.withCopy(template, async (url) => {
    const countsOf = async () => ({ at: performance.now(), enrolled: await countOf(url, ENROLLED), sent: await countOf(url, SENT) });
    const log = await logStatements(url, postgres.logFile);
    const before = await countsOf();
    const server = await startServer(url);
    let first: typeof before | undefined;
    let last = before;
    try {
      for (let saidAt = before.at; last.enrolled - before.enrolled < load.toEnrol; await delay(SAMPLE_MS)) {
        last = await countsOf();
        if (last.enrolled > before.enrolled) first ??= last;
        if (last.at - before.at > seconds * 1000) throw new Error(`only ${whole(last.enrolled - before.enrolled)} were enrolled in ${seconds} s`);
        if (last.at - saidAt < SAY_MS) continue;
        saidAt = last.at;
        say(`${whole(last.enrolled - before.enrolled)} enrolled, ${whole(last.sent)} sent`);
      }
    } finally {
      await server.stop();
    }
    const timings = await log.timings();
    say(`every promise was kept on all of ${whole(await checkPromises(url))} flows`);
    const from = first ?? before;
    const rate = (key: "enrolled" | "sent") => whole(((last[key] - from[key]) * 1000) / (last.at - from.at));
    const claim = [0.5, 0.95, 1].map((share) => `${whole(quantile(timings, "claim", share))} ms`).join(", ");
    return table(["leads", "enrolled/s", "sent/s meanwhile", "claims: median, p95, longest"], [[whole(load.toEnrol), rate("enrolled"), rate("sent"), claim]]);
  });
}

async function countOf(url: string, statement: string): Promise<number> {
  const [row] = await once(url, statement);
  return Number(Object.values(row ?? {})[0] ?? 0);
}
