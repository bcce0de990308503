// The database that all servers answer from: leads whose flows were all sent, each by a device. Nothing waits, so that Rentak does nothing but answer.

import { type BenchPostgres, once } from "../dispatch/postgres.ts";
import { startServer } from "../dispatch/rentak.ts";
import { addRows, addSequences } from "../dispatch/rentak-rows.ts";

const TEMPLATE = "api";

const SENT = `
  UPDATE flows SET status = 'SENT', queued = false, text = 'Hi there, this is day 1 of your plan, message ' || right(id::text, 6) || '.',
                   device_id = (SELECT ids FROM bench_devices)[1 + abs(hashtext(id::text)) % (SELECT cardinality(ids) FROM bench_devices)],
                   attempted_at = due_at, sent_at = due_at, settled_at = due_at`;

const FILL = `
  CREATE TEMPORARY TABLE bench_devices AS SELECT array_agg(id ORDER BY id) AS ids FROM devices;
  ${SENT};
  UPDATE enrollments SET status = 'COMPLETED', finished_at = now();
  UPDATE sequence_counts SET active = 0, sent = enrolled, completed = enrolled`;

/** Returns the name of the template. */
export async function apiTemplate(postgres: BenchPostgres, leads: number, devices: number): Promise<string> {
  const load = { flows: leads, devices, sequences: 10, zones: 3, toEnrol: 0 };
  await postgres.template(TEMPLATE, async (url) => {
    const server = await startServer(url); // it makes the tables
    try {
      await addSequences(url, load);
    } finally {
      await server.stop();
    }
    await addRows(url, load);
    await once(url, FILL);
  });
  return TEMPLATE;
}
