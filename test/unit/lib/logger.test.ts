import { DrizzleQueryError } from "drizzle-orm";
import pg from "pg";
import { expect, test } from "vitest";
import { createLogger } from "../../../src/lib/logger.ts";

function logged(error: unknown): string {
  const lines: string[] = [];
  createLogger("info", { write: (line) => void lines.push(line) }).error({ err: error, flowId: "f" }, "failed");
  return lines.join("");
}

const ofPostgres = Object.assign(new pg.DatabaseError("duplicate key value: 60123456789", 1, "error"), {
  code: "23505",
  detail: "Key (phone)=(60123456789) already exists.",
  constraint: "leads_workspace_id_phone",
  table: "leads",
});

test("an error of the database is logged by its code and place, without the rows that it quotes", () => {
  for (const error of [ofPostgres, new DrizzleQueryError("insert into leads", ["60123456789", "Hi Aina"], ofPostgres)]) {
    expect(logged(error)).not.toMatch(/60123456789|Aina/);
    expect(JSON.parse(logged(error))).toMatchObject({ flowId: "f", err: { code: "23505", constraint: "leads_workspace_id_phone", table: "leads" } });
  }
});

test("any other error keeps its message", () => {
  const error = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" });
  expect(JSON.parse(logged(error))).toMatchObject({ err: { name: "Error", message: error.message, code: "ECONNREFUSED" } });
});

test("what should never have been logged is taken out", () => {
  const lines: string[] = [];
  createLogger("info", { write: (line) => void lines.push(line) }).info({ lead: { phone: "60123456789", text: "Hi" }, token: "secret" }, "x");
  expect(lines.join("")).not.toMatch(/60123456789|"Hi"|secret/);
});
