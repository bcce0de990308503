// The way it is mostly done: a hundred workers, each of which takes one message at a time from a table.

import pg from "pg";
import { COUNTERS, DEVICES, FOLLOW_UP_MS, play } from "./peer.ts";

const WORKERS = 100;
const IDLE_MS = 100;

const TABLE = `
  CREATE TABLE messages (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, lead int NOT NULL, device int NOT NULL, step int NOT NULL, due_at timestamptz NOT NULL,
                         status text NOT NULL DEFAULT 'pending', sent_at timestamptz);
  CREATE INDEX messages_due ON messages (due_at, id) WHERE status = 'pending'`;
const FILL = `INSERT INTO messages (lead, device, step, due_at) SELECT n, n % ${DEVICES}, 1, now() - ($1::int - n) * interval '1 millisecond' FROM generate_series(1, $1::int) AS n`;
const TAKE = "SELECT id, lead, device, step FROM messages WHERE status = 'pending' AND due_at <= now() ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED";
const MARK = "UPDATE messages SET status = 'sent', sent_at = now() WHERE id = $1";
const FOLLOW = `INSERT INTO messages (lead, device, step, due_at) VALUES ($1, $2, $3, now() + interval '${FOLLOW_UP_MS} milliseconds')`;
const COUNT_ONE = "UPDATE device_counts SET sent = sent + 1 WHERE device = $1";

type Row = { id: string; lead: number; device: number; step: number };

await play({
  async prepare(url, flows) {
    const client = new pg.Client(url);
    await client.connect();
    await client.query(TABLE);
    await client.query(FILL, [flows]);
    await client.query(COUNTERS);
    await client.end();
  },

  async run(url, done) {
    const work = async () => {
      const client = new pg.Client(url);
      await client.connect();
      for (;;) {
        await client.query("BEGIN");
        const row = (await client.query<Row>({ name: "take", text: TAKE })).rows[0];
        if (row) {
          await client.query({ name: "mark", text: MARK, values: [row.id] });
          await client.query({ name: "follow", text: FOLLOW, values: [row.lead, row.device, row.step + 1] });
          await client.query({ name: "count", text: COUNT_ONE, values: [row.device] });
        }
        await client.query("COMMIT");
        if (row) done(1);
        else await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, work));
  },
});
