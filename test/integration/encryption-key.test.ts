import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { OperatorError } from "../../src/lib/errors.ts";
import { keepEncryptionKeys, openSealing } from "../../src/transports/whatsapp/encryption-key.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rentak-key-"));
});
afterEach(() => rm(folder, { recursive: true }));

const file = () => join(folder, "encryption-key");
const keysOf = async (set?: readonly Buffer[]) => (await keepEncryptionKeys(folder, set)).keys;

describe("the encryption key", () => {
  test("is made at first start, kept for its owner alone, and the same from then on", async () => {
    const [key] = await keysOf();
    expect(key).toHaveLength(32);
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    expect(await keysOf()).toEqual([key]);
    expect(await readdir(folder)).toEqual(["encryption-key"]);
  });

  test("is one and the same for processes that start together", async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => keysOf()));
    expect(new Set(keys.map(([key]) => key?.toString("hex"))).size).toBe(1);
    expect(await readdir(folder)).toEqual(["encryption-key"]);
  });

  test("that is set is taken as it is, and not written down", async () => {
    const set = [randomBytes(32), randomBytes(32)];
    expect(await keysOf(set)).toEqual(set);
    expect(await readdir(folder)).toEqual([]);
  });

  test("that is damaged is not replaced", async () => {
    await writeFile(file(), "half of a ke");
    await expect(keysOf()).rejects.toThrow(OperatorError);
    expect(await readFile(file(), "utf8")).toBe("half of a ke");
  });
});

describe("a database", () => {
  let db: TestDatabase;
  const [first, second] = [{ keys: [randomBytes(32)], origin: "RENTAK_ENCRYPTION_KEY" }, { keys: [randomBytes(32)], origin: "another" }];
  beforeAll(async () => {
    db = await testDatabase();
  });
  afterAll(() => db.drop());

  test("takes the first key, with several processes at once, and opens with it", async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => openSealing(db.pool, first)));
    const names = all.map(({ nameHash }) => nameHash("name").toString("hex"));
    expect(new Set(names).size).toBe(1);
  });

  test("that was sealed with another key is noticed, in words for the operator", async () => {
    await expect(openSealing(db.pool, second)).rejects.toThrow(OperatorError);
    await expect(openSealing(db.pool, second)).rejects.toThrow("sealed with another key than that of another");
  });

  test("finds its names again after an exchange of keys", async () => {
    const before = (await openSealing(db.pool, first)).nameHash("name");
    const exchanged = { keys: [...second.keys, ...first.keys], origin: "both" };
    expect((await openSealing(db.pool, exchanged)).nameHash("name")).toEqual(before);
  });
});
