// Environment → typed settings. Every mistake is reported at once, and a setting that this version does not have is refused: neither a
// typo nor a feature that is missing may be ignored in silence. An empty value counts as not set.

import { isIP } from "node:net";
import { hostname } from "node:os";
import { OperatorError } from "./lib/errors.ts";
import { KEY_BYTES, parseKey } from "./lib/sealing.ts";

export type Environment = Readonly<Record<string, string | undefined>>;
export type Config = ReturnType<typeof readSettings>["config"];

/** Its message names every mistake, one a line. */
export class ConfigError extends OperatorError {
  override name = "ConfigError";
}

/** Throws ConfigError. `host` is the name of this machine: it is part of the node's default name. */
export function parseConfig(env: Environment, host: string = hostname()): Config {
  const { config, names, mistakes } = readSettings(env, host);
  mistakes.push(...unknownSettings(env, names));
  if (mistakes.length > 0) throw new ConfigError(["The settings cannot be used:", ...mistakes].join("\n  "));
  return config;
}

function readSettings(env: Environment, machine: string) {
  const { read, names, mistakes } = createReader(env);
  const host = read("HOST", hostOrAddress, "127.0.0.1");
  const port = read("PORT", wholeNumber(0, 65_535), 4000); // 0: any free port
  const databasePoolMax = read("DATABASE_POOL_MAX", wholeNumber(2, 1000), 20);
  const databasePoolIdle = read("DATABASE_POOL_IDLE", wholeNumber(0, 1000), Math.min(5, databasePoolMax));
  if (databasePoolIdle > databasePoolMax) {
    mistakes.push(`DATABASE_POOL_IDLE must be at most DATABASE_POOL_MAX (${databasePoolMax}), not "${databasePoolIdle}"`);
  }
  const whatsappUrl = read("WHATSAPP_URL", loopbackWebSocket, undefined);
  const whatsappRootKey = read("WHATSAPP_ROOT_KEY", publicKey, undefined);
  if (env["WHATSAPP_ROOT_KEY"]?.trim() && !env["WHATSAPP_URL"]?.trim()) {
    mistakes.push("WHATSAPP_ROOT_KEY is that of a fake server, and goes with its WHATSAPP_URL; WhatsApp's own is known");
  }
  const config = {
    host,
    port,
    databaseUrl: read("DATABASE_URL", postgresUrl, undefined), // undefined: the embedded Postgres
    databasePoolMax,
    databasePoolIdle,
    databasePoolLifetimeSeconds: read("DATABASE_POOL_LIFETIME_SECONDS", wholeNumber(0, 86_400), 300), // 0: as long as it works
    redisUrls: read("REDIS_URL", redisUrls, undefined), // undefined: without Redis
    dataDir: read("RENTAK_DATA_DIR", path, ".rentak"),
    adminToken: read("RENTAK_ADMIN_TOKEN", bearerToken, undefined), // undefined: made at first start
    encryptionKeys: read("RENTAK_ENCRYPTION_KEY", sealingKeys, undefined), // undefined: made at first start
    nodeName: read("RENTAK_NODE_NAME", shortName, `${machine}:${port}`),
    dispatchIntervalMs: read("RENTAK_DISPATCH_INTERVAL_MS", wholeNumber(10, 600_000), 10_000),
    claimBatch: read("RENTAK_CLAIM_BATCH", wholeNumber(1, 100_000), 10_000),
    sendConcurrency: read("RENTAK_SEND_CONCURRENCY", wholeNumber(1, 10_000), 100),
    maxDevices: read("RENTAK_MAX_DEVICES", wholeNumber(1, 10_000), 3000),
    enrollBatch: read("RENTAK_ENROLL_BATCH", wholeNumber(1, 1000), 1000),
    enrollPerSecond: read("RENTAK_ENROLL_PER_SECOND", wholeNumber(1, 1_000_000), 5000),
    minStepDelayHours: read("RENTAK_MIN_STEP_DELAY_HOURS", decimal("from 0 to 8760", (hours) => hours <= 8760), 1),
    stuckMinutes: read("RENTAK_STUCK_MINUTES", minutes, 5),
    workerIdleMinutes: read("RENTAK_WORKER_IDLE_MINUTES", minutes, 5),
    apiRequestsPerMinute: read("RENTAK_API_REQUESTS_PER_MINUTE", wholeNumber(1, 1_000_000), 6000),
    apiOrigins: read("RENTAK_API_ORIGINS", origins, undefined), // undefined: pages of any origin may use the API
    apiJit: read("RENTAK_API_JIT", oneOf("on", "off"), "on"), // whether queries that come again are compiled
    metricsToken: read("RENTAK_METRICS_TOKEN", bearerToken, undefined), // undefined: metrics for programs on this machine only
    simulatorLog: read("RENTAK_SIMULATOR_LOG", path, undefined),
    mediaPrivateHosts: read("RENTAK_MEDIA_PRIVATE_HOSTS", hostsAndPorts, []), // servers in the private network that media may be fetched from
    webhookPrivateHosts: read("RENTAK_WEBHOOK_PRIVATE_HOSTS", hostsAndPorts, []), // servers in the private network that webhooks may be posted to
    whatsappUrl, // undefined: WhatsApp's own
    whatsappRootKey,
    logLevel: read("LOG_LEVEL", oneOf("fatal", "error", "warn", "info", "debug", "trace", "silent"), "info"),
  } as const;
  return { config, names, mistakes };
}

type Format<T> = {
  /** Completes the sentence "PORT must be …". */
  readonly wanted: string;
  /** Undefined where the text is not what is wanted. */
  readonly parse: (text: string) => T | undefined;
  /** Its value stays out of messages: they end in logs. */
  readonly secret?: true;
};

function createReader(env: Environment) {
  const names: string[] = [];
  const mistakes: string[] = [];
  const read = <T, D extends T | undefined>(name: string, format: Format<T>, byDefault: D): T | D => {
    names.push(name);
    const text = env[name]?.trim();
    if (!text) return byDefault;
    const value = format.parse(text);
    if (value === undefined) mistakes.push(`${name} must be ${format.wanted}${format.secret ? "" : `, not "${text}"`}`);
    return value ?? byDefault;
  };
  return { read, names, mistakes };
}

const wholeNumber = (min: number, max: number): Format<number> => ({
  wanted: `a whole number from ${min} to ${max}`,
  parse: (text) => (/^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined),
});

const decimal = (range: string, isInRange: (value: number) => boolean): Format<number> => ({
  wanted: `a number ${range}`,
  parse: (text) => (/^\d{1,15}(\.\d{1,15})?$/.test(text) && isInRange(Number(text)) ? Number(text) : undefined),
});

const minutes = decimal("above 0 and up to 1440 (decimals allowed)", (value) => value > 0 && value <= 1440);

const matching = (wanted: string, pattern: RegExp): Format<string> => ({
  wanted,
  parse: (text) => (pattern.test(text) ? text : undefined),
});

const oneOf = <const T extends string>(...choices: T[]): Format<T> => ({
  wanted: `one of ${choices.join(", ")}`,
  parse: (text) => choices.find((choice) => choice === text),
});

const hostOrAddress: Format<string> = {
  wanted: "a host name or an IP address",
  parse: (text) => (isIP(text) > 0 || /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text) ? text : undefined),
};

const postgresUrl: Format<string> = {
  wanted: "an address like postgres://user:password@host:5432/database",
  parse: (text) => (/^postgres(ql)?:\/\/./.test(text) && URL.canParse(text) ? text : undefined),
  secret: true,
};

/** Several are one cluster's. */
const redisUrls: Format<readonly URL[]> = {
  wanted: "an address like redis://user:password@host:6379/0, or rediss:// for TLS; several of a cluster's nodes with commas between, with one user and password",
  parse(text) {
    const urls = text.split(",").map((url) => (/^rediss?:\/\/./.test(url.trim()) && URL.canParse(url.trim()) ? new URL(url.trim()) : undefined));
    const areAlike = urls.every((url) => url && (["protocol", "username", "password"] as const).every((part) => url[part] === urls[0]?.[part]));
    return areAlike ? urls.filter((url) => url !== undefined) : undefined;
  },
  secret: true,
};

const hostsAndPorts: Format<readonly string[]> = {
  wanted: "hosts with their ports, with commas between, like media.internal:9000,10.0.0.5:80",
  parse(text) {
    const hosts = text.split(",").map((host) => host.trim().toLowerCase());
    return hosts.every((host) => /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?):\d{1,5}$/.test(host)) ? hosts : undefined;
  },
};

/** Exactly as browsers send them: without a path, and without the port that goes with https. */
const origins: Format<readonly string[]> = {
  wanted: "origins of web pages, with commas between, like https://app.example.com,http://localhost:5173",
  parse(text) {
    const given = text.split(",").map((origin) => origin.trim());
    const parsed = given.map((origin) => (URL.canParse(origin) ? new URL(origin) : undefined));
    const areOrigins = parsed.every((url, index) => url && /^https?:$/.test(url.protocol) && [url.origin, `${url.origin}/`].includes(given[index]?.toLowerCase() ?? ""));
    return areOrigins ? parsed.flatMap((url) => (url ? [url.origin] : [])) : undefined;
  },
};

/** Only for a fake server of this machine: with an address of somebody else's, whoever sets it would read every message. */
const loopbackWebSocket: Format<URL> = {
  wanted: "the address of a fake server on this machine, like ws://127.0.0.1:4100/ws/chat",
  parse(text) {
    if (!URL.canParse(text)) return undefined;
    const url = new URL(text);
    return url.protocol === "ws:" && ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname) && url.username === "" ? url : undefined;
  },
};

const publicKey = matching("a public key of 32 bytes in hexadecimal, as the fake server prints it", /^[0-9a-f]{64}$/i);

const bearerToken: Format<string> = {
  ...matching("at least 16 characters (letters, digits, punctuation; no blanks)", /^[!-~]{16,}$/),
  secret: true,
};

/** The newest first; the others open what was sealed before. */
const sealingKeys: Format<readonly Buffer[]> = {
  wanted: `${KEY_BYTES} bytes in hexadecimal or base64, as "openssl rand -base64 32" prints them; while keys are exchanged, several with commas between, the newest first`,
  parse(text) {
    const keys = text.split(",").map((key) => parseKey(key.trim()));
    return keys.every((key) => key !== undefined) ? keys : undefined;
  },
  secret: true,
};

const path = matching("a path", /^[^\0]+$/);
const shortName = matching("a name of at most 100 characters", /^[^\p{Cc}]{1,100}$/u);

function unknownSettings(env: Environment, names: readonly string[]): string[] {
  return Object.keys(env)
    .filter((name) => /^(RENTAK|DATABASE|REDIS|WHATSAPP)_/i.test(name) && env[name]?.trim() && !names.includes(name))
    .toSorted()
    .map((name) => {
      const meant = names.find((known) => isNearMiss(name, known));
      return `${name} is not a setting of this version; ${meant ? `did you mean ${meant}?` : "those it has are in .env.example"}`;
    });
}

/** The same but for at most two letters; underscores, case and the prefix RENTAK_ do not count. */
function isNearMiss(name: string, known: string): boolean {
  const [a, b] = [name, known].map((text) => text.toUpperCase().replace(/^RENTAK_/, "").replaceAll("_", ""));
  return a !== undefined && b !== undefined && editDistance(a, b) <= Math.min(2, b.length / 3);
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [row, letter] of [...a].entries()) {
    const current = [row + 1];
    for (const [column, other] of [...b].entries()) {
      const replaced = (previous[column] ?? 0) + (letter === other ? 0 : 1);
      current.push(Math.min(replaced, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
