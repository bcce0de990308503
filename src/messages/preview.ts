// The preview of a message: with the greeting and the variation of its sequence, as of the recipient's time of day.

import { sql } from "drizzle-orm";
import type { WorkspaceDb } from "../db/workspace.ts";
import { templatesAt, type Greeter } from "./greeting.ts";
import type { Style } from "./render.ts";

export type StyleOptions = {
  /** The zone's and, where they are left out, the settings' source. */
  readonly sequenceId: string | null;
  readonly leadId: string | null;
  readonly greeting: boolean | null;
  readonly isVaried: boolean | null;
  /** Now, where null. */
  readonly at: Date | null;
};

type Row = Greeter & { readonly greeting: boolean | null; readonly isVaried: boolean | null; readonly time: string };

/** What a message of the sequence to the lead would be sent with. */
export async function loadStyle(db: WorkspaceDb, options: StyleOptions): Promise<Style> {
  const { rows } = await db.read((tx) =>
    tx.execute<Row>(sql`
      SELECT w.greetings, w.form_of_address AS "formOfAddress", s.greeting, s.visible_variation AS "isVaried",
             to_char(coalesce(${options.at}::timestamptz, clock_timestamp()) AT TIME ZONE zone.name, 'HH24:MI') AS time
        FROM workspaces w
        LEFT JOIN sequences s ON s.workspace_id = w.id AND s.id = ${options.sequenceId}::uuid
        LEFT JOIN leads l ON l.workspace_id = w.id AND l.id = ${options.leadId}::uuid
       CROSS JOIN LATERAL (SELECT sound_zone(l.time_zone, s.time_zone, w.time_zone) AS name OFFSET 0) AS zone
       WHERE w.id = ${db.id}::uuid`),
  );
  const [row] = rows;
  if (!row) throw new Error("the workspace is gone");
  const { greetings, formOfAddress, time } = row;
  const greets = options.greeting ?? row.greeting ?? false;
  return {
    greeting: greets ? { templates: templatesAt(greetings, time), formOfAddress } : null,
    isVaried: options.isVaried ?? row.isVaried ?? false,
  };
}
