-- Another workspace, and the first token of it. Only for who administers the default workspace: the API's role sees and writes its own workspace alone, so this
-- runs as its owner, and looks for itself where the call comes from.
CREATE FUNCTION create_workspace(of_name text, of_zone text, of_country text, token_hash bytea, token_prefix text, OUT workspace_id uuid, OUT token_id uuid)
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF nullif(current_setting('app.workspace_id', true), '')::uuid IS DISTINCT FROM '01900000-0000-7000-8000-000000000001' THEN
    RAISE EXCEPTION 'workspaces are made from the default workspace' USING ERRCODE = 'insufficient_privilege';
  END IF;
  INSERT INTO workspaces (name, time_zone, default_country) VALUES (of_name, of_zone, of_country) RETURNING id INTO workspace_id;
  INSERT INTO api_tokens (workspace_id, name, scopes, hash, prefix)
  VALUES (create_workspace.workspace_id, 'admin', '{READ,MANAGE,PAIR,ADMIN}', token_hash, token_prefix) RETURNING id INTO token_id;
END
$$;
--> statement-breakpoint
-- The schema is the one that it was made in, whoever calls and with whatever search path.
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION create_workspace(text, text, text, bytea, text) SET search_path = %I, pg_catalog, pg_temp', current_schema());
END
$$;
--> statement-breakpoint
REVOKE EXECUTE ON FUNCTION create_workspace(text, text, text, bytea, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION create_workspace(text, text, text, bytea, text) TO rentak_api;
