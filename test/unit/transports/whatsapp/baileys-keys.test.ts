import { describe, expect, test } from "vitest";
import type { DeviceKeys, KeyData } from "../../../../src/transports/whatsapp/auth-port.ts";
import { createBaileysKeys } from "../../../../src/transports/whatsapp/baileys-keys.ts";

function keysThatAreSet(): DeviceKeys & { readonly sets: KeyData[] } {
  const sets: KeyData[] = [];
  return { sets, get: () => Promise.resolve({}), set: (data) => Promise.resolve(void sets.push(data)), failures: () => 0 };
}

/** Until all that can go on has done so. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

const token = (timestamp: string) => ({ token: Buffer.alloc(0), timestamp });

describe("what is written in a transaction", () => {
  test("is written at once", async () => {
    const keys = keysThatAreSet();
    const baileysKeys = createBaileysKeys(keys);
    await baileysKeys.transaction(async () => {
      await baileysKeys.set({ "device-list": { person: ["0"] } });
      expect(keys.sets).toEqual([{ "device-list": { person: ["0"] } }]);
    }, "me");
  });

  test("and after it has ended, is not lost: a privacy token is noted when the message has left", async () => {
    const keys = keysThatAreSet();
    const baileysKeys = createBaileysKeys(keys);
    let answered = () => {};
    await baileysKeys.transaction(async () => {
      const answer = new Promise<void>((resolve) => (answered = resolve));
      void answer.then(() => baileysKeys.set({ tctoken: { person: token("1") } }));
    }, "me");
    answered();
    await settled();
    expect(keys.sets).toEqual([{ tctoken: { person: token("1") } }]);
  });
});

test("the list of all who have a token is left out, and the tokens are kept", async () => {
  const keys = keysThatAreSet();
  const baileysKeys = createBaileysKeys(keys);
  await baileysKeys.set({ tctoken: { person: token("1"), __index: token("2") } });
  await baileysKeys.set({ tctoken: { __index: token("3") } });
  expect(keys.sets).toEqual([{ tctoken: { person: token("1") } }]);
});

describe("transactions of a device", () => {
  test("have turns where they are about the same thing, and do not wait for others", async () => {
    const { transaction } = createBaileysKeys(keysThatAreSet());
    const order: string[] = [];
    let go = () => {};
    const first = transaction(() => new Promise<void>((resolve) => (go = resolve)).then(() => void order.push("first")), "me");
    const second = transaction(async () => void order.push("second"), "me");
    await transaction(async () => void order.push("other"), "app-state");
    expect(order).toEqual(["other"]);
    go();
    await Promise.all([first, second]);
    expect(order).toEqual(["other", "first", "second"]);
  });

  test("within each other are one, and do not wait for themselves", async () => {
    const { transaction, isInTransaction } = createBaileysKeys(keysThatAreSet());
    expect(await transaction(() => transaction(async () => isInTransaction(), "me"), "me")).toBe(true);
    expect(isInTransaction()).toBe(false);
  });

  test("go on after one that failed", async () => {
    const { transaction } = createBaileysKeys(keysThatAreSet());
    const failed = transaction(() => Promise.reject(new Error("no")), "me");
    const next = transaction(async () => "done", "me");
    await expect(failed).rejects.toThrow("no");
    expect(await next).toBe("done");
  });
});
