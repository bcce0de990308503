-- The second wall between workspaces. The API's statements name their workspace, and run as a role that sees only the workspace set in
-- app.workspace_id: a forgotten condition then finds nothing, instead of somebody else's customers.

DO $$
BEGIN
  -- Roles belong to the whole cluster: another database of it may have made this one already, or be making it now.
  CREATE ROLE rentak_api NOLOGIN NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
--> statement-breakpoint
DO $$
BEGIN
  IF NOT pg_has_role(current_user, 'rentak_api', 'MEMBER') THEN EXECUTE format('GRANT rentak_api TO %I', current_user); END IF;
EXCEPTION WHEN unique_violation THEN NULL;
END
$$;
--> statement-breakpoint
DO $$
DECLARE
  name text;
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO rentak_api', current_schema());
  FOREACH name IN ARRAY ARRAY['api_tokens', 'idempotency_keys', 'devices', 'device_attempts', 'leads', 'enrollment_queue', 'lead_imports', 'lead_import_rejects',
                              'sequences', 'sequence_steps', 'removed_steps', 'lanes', 'enrollments', 'sequence_counts', 'sequence_count_deltas', 'flows', 'events'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own_workspace ON %I TO rentak_api USING (workspace_id = (SELECT nullif(current_setting(''app.workspace_id'', true), '''')::uuid))', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO rentak_api', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['nodes', 'dispatch_lease', 'installation', 'processing_flows', 'sequence_contacts', 'broadcast_messages', 'device_load_balance',
                              'device_performance_monitor', 'sequence_totals', 'sequence_progress_monitor', 'failed_flows_monitor'] LOOP
    EXECUTE format('GRANT SELECT ON %I TO rentak_api', name);
  END LOOP;
END
$$;
--> statement-breakpoint
ALTER TABLE workspaces ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON workspaces TO rentak_api USING (id = (SELECT nullif(current_setting('app.workspace_id', true), '')::uuid));
GRANT SELECT, UPDATE ON workspaces TO rentak_api;
