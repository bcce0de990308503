// Rows for tests that try the schema as a whole.

import type pg from "pg";
import { workspaceDb } from "../../src/db/workspace.ts";
import { saveMedia } from "../../src/media/store.ts";
import { addCampaign } from "./campaign-rows.ts";
import { addDevice, addEnrolled, addWorkspace, one } from "./factories.ts";
import { png } from "./files.ts";
import type { Ids } from "./isolation.ts";

/** One of everything, each called so; in a workspace of its own where none is given. Returns its ids as the API has them, by type. */
export async function furnish(pool: pg.Pool, name: string, given?: string): Promise<Ids> {
  const workspaceId = given ?? (await addWorkspace(pool));
  await pool.query("UPDATE workspaces SET name = $2, stop_confirmation = $2 WHERE id = $1", [workspaceId, name]);
  const device = await addDevice(pool, workspaceId, { name, transport: "WHATSAPP", status: "UNPAIRED" });
  const { sequenceId, leadIds } = await addEnrolled(pool, workspaceId, { name, steps: [{ trigger: `${name}_one`, text: name }, { trigger: `${name}_two`, text: name }] });
  const [lead = ""] = leadIds;
  await pool.query("UPDATE leads SET name = $2, niche = $2, attributes = jsonb_build_object('note', $2::text), preferred_device_id = $3 WHERE id = $1", [lead, name, device]);
  const campaign = await addCampaign(pool, workspaceId, { name, text: name });
  const { id: leadImport } = await one<{ id: string }>(pool, "INSERT INTO lead_imports (workspace_id, file_name, status, finished_at) VALUES ($1, $2, 'COMPLETED', now()) RETURNING id", [workspaceId, name]);
  await pool.query("UPDATE leads SET import_id = $2 WHERE id = $1", [lead, leadImport]);
  const { id: token } = await one<{ id: string }>(pool, "INSERT INTO api_tokens (workspace_id, name, scopes, hash, prefix) VALUES ($1::uuid, $2::text, '{READ}', sha256(convert_to($1::text || $2, 'UTF8')), $2::text) RETURNING id", [workspaceId, name]);
  const media = await saveMedia(workspaceDb(pool, workspaceId), { kind: "DOCUMENT", contentType: "image/png", bytes: png(), fileName: name });
  const ids = await one<{ step: string; enrolment: string; flow: string }>(
    pool,
    "SELECT (SELECT id FROM sequence_steps WHERE sequence_id = $1 ORDER BY day_number LIMIT 1) AS step, e.id AS enrolment, e.current_flow_id AS flow FROM enrollments e WHERE e.sequence_id = $1",
    [sequenceId],
  );
  const { id: endpoint } = await one<{ id: string }>(
    pool,
    `INSERT INTO webhook_endpoints (workspace_id, url, description, event_types, sealed_secret, position) VALUES ($1, 'https://' || $2 || '.example', $2, '{FLOW_SENT}', '', '') RETURNING id`,
    [workspaceId, name],
  );
  const { id: delivery } = await one<{ id: string }>(
    pool,
    `INSERT INTO webhook_deliveries (workspace_id, endpoint_id, event_key, content, attempts, settled_at, outcome)
     VALUES ($1, $2, $3, '{"type": "TEST", "at": "2026-01-01T00:00:00.000Z"}', jsonb_build_array(jsonb_build_object('at', now(), 'durationMs', 1, 'status', 500, 'error', $3::text)), now(), 'FAILED') RETURNING id`,
    [workspaceId, endpoint, name],
  );
  const bare = { WebhookEndpoint: endpoint, WebhookDelivery: delivery, Workspace: workspaceId, Device: device, Sequence: sequenceId, Lead: lead, Campaign: campaign, LeadImport: leadImport, ApiToken: token, Media: media.id, SequenceStep: ids.step, Enrollment: ids.enrolment, Flow: ids.flow };
  return Object.fromEntries(Object.entries(bare).map(([type, id]) => [type, `${type}:${id}`]));
}
