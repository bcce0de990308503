import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { ConfigError, parseConfig } from "../../src/config.ts";
import type { Environment } from "../../src/config.ts";

const example = readFileSync(new URL("../../.env.example", import.meta.url), "utf8");
const shown = [...example.matchAll(/^# (.+)\n#(([A-Z_]+)=.*)$/gm)].map(([, comment = "", line = "", name = ""]) => {
  return { comment, line, name };
});
const shownNames = shown.map(({ name }) => name);

function mistakesOf(env: Environment): string[] {
  try {
    parseConfig(env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split("\n").slice(1).map((line) => line.trim());
  }
}

describe("settings", () => {
  test("have the documented defaults", () => {
    expect(parseConfig({}, "box")).toEqual({
      host: "127.0.0.1",
      port: 4000,
      databaseUrl: undefined,
      databasePoolMax: 20,
      databasePoolIdle: 5,
      databasePoolLifetimeSeconds: 300,
      dataDir: ".rentak",
      adminToken: undefined,
      encryptionKeys: undefined,
      nodeName: "box:4000",
      dispatchIntervalMs: 10_000,
      claimBatch: 10_000,
      sendConcurrency: 100,
      maxDevices: 3000,
      enrollBatch: 1000,
      enrollPerSecond: 5000,
      minStepDelayHours: 1,
      stuckMinutes: 5,
      workerIdleMinutes: 5,
      apiRequestsPerMinute: 6000,
      apiOrigins: undefined,
      simulatorLog: undefined,
      apiJit: "on",
      mediaPrivateHosts: [],
      webhookPrivateHosts: [],
      logLevel: "info",
    });
  });

  test("are read", () => {
    const config = parseConfig({
      PORT: "0",
      DATABASE_URL: "postgresql://me:secret@db.example/rentak?sslmode=require",
      DATABASE_POOL_MAX: "3",
      RENTAK_MIN_STEP_DELAY_HOURS: "0",
      RENTAK_STUCK_MINUTES: " 0.05 ",
      RENTAK_NODE_NAME: "north 1",
      RENTAK_MEDIA_PRIVATE_HOSTS: "Media.internal:9000, [fd00::5]:80",
      LOG_LEVEL: "silent",
    });
    expect(config).toMatchObject({
      port: 0,
      databaseUrl: "postgresql://me:secret@db.example/rentak?sslmode=require",
      databasePoolMax: 3,
      databasePoolIdle: 3,
      minStepDelayHours: 0,
      stuckMinutes: 0.05,
      nodeName: "north 1",
      logLevel: "silent",
    });
  });

  test("may hold several encryption keys, in hexadecimal or base64", () => {
    const keys = [Buffer.alloc(32, 7), Buffer.alloc(32, 200)] as const;
    expect(parseConfig({ RENTAK_ENCRYPTION_KEY: `${keys[0].toString("hex")}, ${keys[1].toString("base64")}` }).encryptionKeys).toEqual(keys);
  });

  test("name the origins of pages as browsers send them", () => {
    expect(parseConfig({ RENTAK_API_ORIGINS: "https://App.example.com/, http://localhost:5173,http://[::1]:3000" }).apiOrigins).toEqual(["https://app.example.com", "http://localhost:5173", "http://[::1]:3000"]);
  });

  test.each(["*", "null", "app.example.com", "https://app.example.com/path", "https://app.example.com:443", "https://me:secret@app.example.com", "https://*.example.com,", "ftp://app.example.com", "https://app.example.com,,"])("name no origin with %s", (text) => {
    expect(mistakesOf({ RENTAK_API_ORIGINS: text })).toEqual([`RENTAK_API_ORIGINS must be origins of web pages, with commas between, like https://app.example.com,http://localhost:5173, not "${text}"`]);
  });

  test("that are empty count as not set", () => {
    expect(parseConfig({ PORT: "", DATABASE_URL: " ", REDIS_URL: "" }, "box")).toEqual(parseConfig({}, "box"));
  });

  test("may stand beside variables of other programs", () => {
    expect(mistakesOf({ PATH: "/bin", NODE_OPTIONS: "--x", PORTAL: "x", npm_config_rentak_x: "y" })).toEqual([]);
  });
});

describe("mistakes", () => {
  test("are reported all at once, each with what would be right", () => {
    expect(
      mistakesOf({
        HOST: "two words",
        PORT: "70000",
        DATABASE_URL: "mysql://me:secret@db/x",
        DATABASE_POOL_MAX: "3",
        DATABASE_POOL_IDLE: "4",
        RENTAK_ADMIN_TOKEN: "too short",
        RENTAK_ENROLL_BATCH: "1001",
        RENTAK_MIN_STEP_DELAY_HOURS: "-1",
        RENTAK_STUCK_MINUTES: "0",
        LOG_LEVEL: "loud",
        REDIS_URL: "redis://a,redis://:secret@b",
      }),
    ).toEqual([
      'HOST must be a host name or an IP address, not "two words"',
      'PORT must be a whole number from 0 to 65535, not "70000"',
      'DATABASE_POOL_IDLE must be at most DATABASE_POOL_MAX (3), not "4"',
      "DATABASE_URL must be an address like postgres://user:password@host:5432/database",
      "REDIS_URL must be an address like redis://user:password@host:6379/0, or rediss:// for TLS; several of a cluster's nodes with commas between, with one user and password",
      "RENTAK_ADMIN_TOKEN must be at least 16 characters (letters, digits, punctuation; no blanks)",
      'RENTAK_ENROLL_BATCH must be a whole number from 1 to 1000, not "1001"',
      'RENTAK_MIN_STEP_DELAY_HOURS must be a number from 0 to 8760, not "-1"',
      'RENTAK_STUCK_MINUTES must be a number above 0 and up to 1440 (decimals allowed), not "0"',
      'LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, not "loud"',
    ]);
  });

  test("never show a password or a token", () => {
    const message = mistakesOf({ DATABASE_URL: "secret://me:secret@db", RENTAK_ADMIN_TOKEN: "secret with blanks", RENTAK_ENCRYPTION_KEY: "secret", REDIS_URL: "secret://:secret@redis" }).join();
    expect(message).toContain("DATABASE_URL");
    expect(message).toContain("RENTAK_ENCRYPTION_KEY");
    expect(message).not.toContain("secret");
  });

  test.prop([fc.string().filter((text) => text.trim() !== "" && !/^\d+$/.test(text.trim()))])(
    "include every number that is not one",
    (text) => {
      expect(mistakesOf({ RENTAK_CLAIM_BATCH: text })).toHaveLength(1);
    },
  );
});

describe("an unknown setting", () => {
  test.each(["REDIS_HOST", "DATABASE_REPLICA_URL"])(
    "is refused, not ignored: %s",
    (name) => {
      expect(mistakesOf({ [name]: "x" })).toEqual([`${name} is not a setting of this version; those it has are in .env.example`]);
    },
  );

  test.each([
    ["RENTAK_DATADIR", "RENTAK_DATA_DIR"],
    ["RENTAK_CLAIM_BATCHES", "RENTAK_CLAIM_BATCH"],
    ["RENTAK_ENROL_BATCH", "RENTAK_ENROLL_BATCH"],
    ["DATABASE_URI", "DATABASE_URL"],
    ["RENTAK_PORT", "PORT"],
    ["RENTAK_DATABASE_URL", "DATABASE_URL"],
    ["rentak_stuck_minutes", "RENTAK_STUCK_MINUTES"],
  ])("that is a near miss is named: %s", (name, meant) => {
    expect(mistakesOf({ [name]: "x" })).toEqual([`${name} is not a setting of this version; did you mean ${meant}?`]);
  });
});

describe(".env.example", () => {
  const isExample = (comment: string) => comment.endsWith("For example:");
  const asEnv = (lines: typeof shown) => parseEnv(lines.map(({ line }) => line).join("\n"));

  test("shows every setting once, with a comment, and no other", () => {
    expect(example.match(/^#[A-Z_]+=/gm)).toHaveLength(shownNames.length);
    expect(new Set(shownNames).size).toBe(shownNames.length);
    const mistakes = mistakesOf(Object.fromEntries(shownNames.map((name) => [name, "\0"])));
    expect(mistakes.map((mistake) => mistake.split(" ")[0]).toSorted()).toEqual(shownNames.toSorted());
    expect(mistakes.filter((mistake) => mistake.includes("not a setting"))).toEqual([]);
    expect(shownNames).toHaveLength(Object.keys(parseConfig({})).length);
  });

  test("shows the defaults, and examples that are right", () => {
    const examples = asEnv(shown.filter(({ comment }) => isExample(comment)));
    const defaults = asEnv(shown.filter(({ comment }) => !isExample(comment)));
    expect(mistakesOf(examples)).toEqual([]);
    expect(parseConfig(defaults, "box")).toEqual(parseConfig({}, "box"));
    expect(Object.values(parseConfig(examples)).filter((value) => value === undefined)).toEqual([]);
  });
});
