// Messages that were sent, as the event log has them: appended by the product's own statement. Nobody rings in the server, so that it hears of them when it
// looks next, within a tenth of a second, as it hears of what another process has sent.

import type pg from "pg";
import { appendEvents } from "../../src/events/append.ts";

const SENT = appendEvents(
  ["flow_id", "sequence_id", "device_id"],
  "SELECT workspace_id, 'FLOW_SENT' AS type, id AS flow_id, sequence_id, device_id FROM (SELECT * FROM flows ORDER BY id DESC OFFSET $1 LIMIT $2) AS f",
);

/** That `count` flows were sent, as one transaction settles them; others the next time. */
export async function tellOfSent(client: pg.Client, offset: number, count: number): Promise<void> {
  await client.query({ name: "sent", text: SENT, values: [offset, count] });
}
