CREATE TABLE "audit_log" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid NOT NULL,
	"token_id" uuid NOT NULL,
	"operation" text NOT NULL,
	"subjects" text[] NOT NULL,
	"fields" text[] NOT NULL,
	"result" text,
	"at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "audit_log_workspace_id" ON "audit_log" USING btree ("workspace_id","id");--> statement-breakpoint
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON audit_log TO rentak_api USING (workspace_id = (SELECT nullif(current_setting('app.workspace_id', true), '')::uuid));
-- Never changed, and never taken back.
GRANT SELECT, INSERT ON audit_log TO rentak_api;
