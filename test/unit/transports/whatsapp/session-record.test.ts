import { describe, expect, test, vi } from "vitest";
import "../../../../src/transports/whatsapp/libsignal.ts";
import { type SessionRecord, trimmed } from "../../../../src/transports/whatsapp/session-record.ts";
import { createSignalParty, type SignalParty } from "../../../support/signal-party.ts";

type Conversation = { readonly us: SignalParty; readonly them: SignalParty };

// Hundreds of messages, really encrypted.
vi.setConfig({ testTimeout: 60_000 });

const REFUSED = "No matching sessions found";

const sizeOf = (record: unknown) => JSON.stringify(record).length;
const recordOf = ({ us }: Conversation) => us.record("them") as unknown as SessionRecord;
const trim = (conversation: Conversation) => conversation.us.keep("them", trimmed(recordOf(conversation)));

async function conversation(): Promise<Conversation> {
  const [us, them] = [createSignalParty(), createSignalParty()];
  await us.begin("them", them.bundle());
  expect(await them.decrypt("us", await us.encrypt("them", "Hello"))).toBe("Hello");
  return { us, them };
}

/** They write, and we answer: one more chain. */
async function exchange({ us, them }: Conversation): Promise<void> {
  expect(await us.decrypt("them", await them.encrypt("us", "And?"))).toBe("And?");
  expect(await them.decrypt("us", await us.encrypt("them", "So."))).toBe("So.");
}

describe("a session", () => {
  test("that was trimmed with each message goes on, and stays small", async () => {
    const both = await conversation();
    const sizes: number[] = [];
    for (let round = 0; round < 30; round++) {
      await exchange(both);
      trim(both);
      sizes.push(sizeOf(recordOf(both)));
    }
    expect(sizes.at(-1)).toBe(sizes.at(10));
    expect(sizes.at(-1)).toBeLessThan(1700);
  });

  test("that nothing is trimmed of is the same as before", async () => {
    const both = await conversation();
    await exchange(both);
    expect(trimmed(recordOf(both))).toEqual(recordOf(both));
  });

  test("reads what comes late, over four chains back", async () => {
    const both = await conversation();
    const late = await both.them.encrypt("us", "late");
    for (let round = 0; round < 4; round++) {
      await exchange(both);
      trim(both);
    }
    expect(await both.us.decrypt("them", late)).toBe("late");
  });

  test("refuses what was read already", async () => {
    const both = await conversation();
    const message = await both.them.encrypt("us", "once");
    expect(await both.us.decrypt("them", message)).toBe("once");
    trim(both);
    await expect(both.us.decrypt("them", message)).rejects.toThrow(REFUSED);
    await exchange(both);
  });

  test("keeps the keys of the forty messages that were passed over last", async () => {
    const both = await conversation();
    const messages: Awaited<ReturnType<SignalParty["encrypt"]>>[] = [];
    for (let n = 0; n <= 60; n++) messages.push(await both.them.encrypt("us", `${n}`));
    const read = (n: number) => both.us.decrypt("them", messages[n] ?? { type: "msg", ciphertext: Buffer.alloc(0) });
    expect(await read(60)).toBe("60");
    trim(both);
    expect(await read(59)).toBe("59");
    expect(await read(20)).toBe("20");
    await expect(read(19)).rejects.toThrow(REFUSED);
    await exchange(both);
  });
});

describe("sessions that were closed", () => {
  test("are kept, the last three of them, and read what was under way when they were replaced", async () => {
    const both = await conversation();
    const underWay = [];
    for (let n = 0; n < 5; n++) {
      await exchange(both);
      underWay.push(await both.them.encrypt("us", `${n}`));
      await both.us.begin("them", both.them.bundle());
      expect(await both.them.decrypt("us", await both.us.encrypt("them", "again"))).toBe("again");
      trim(both);
    }
    expect(Object.values(recordOf(both)._sessions)).toHaveLength(4);
    for (const message of underWay.slice(0, 2)) await expect(both.us.decrypt("them", message)).rejects.toThrow(REFUSED);
    for (const [n, message] of underWay.slice(2).entries()) {
      expect(await both.us.decrypt("them", message)).toBe(`${n + 2}`);
      await exchange(both);
      trim(both);
    }
  });

  test("with all that there may be, a record has less than ten kilobytes", async () => {
    const both = await conversation();
    for (let session = 0; session < 5; session++) {
      for (let chain = 0; chain < 3; chain++) {
        for (let lost = 0; lost < 30; lost++) await both.them.encrypt("us", "lost");
        await exchange(both);
      }
      await both.us.begin("them", both.them.bundle());
      expect(await both.them.decrypt("us", await both.us.encrypt("them", "again"))).toBe("again");
      await exchange(both);
    }
    expect(sizeOf(recordOf(both))).toBeGreaterThan(20_000);
    expect(sizeOf(trimmed(recordOf(both)))).toBeLessThan(10_000);
  });
});

test("a message that fits another session than the open one leaves the open one as it was", async () => {
  const both = await conversation();
  await exchange(both);
  const underWay = await both.them.encrypt("us", "under way");
  await both.us.begin("them", both.them.bundle());
  expect(await both.them.decrypt("us", await both.us.encrypt("them", "again"))).toBe("again");
  await exchange(both);
  const openOf = () => Object.values(recordOf(both)._sessions).find(({ indexInfo }) => indexInfo.closed === -1);
  const before = openOf();
  expect(await both.us.decrypt("them", underWay)).toBe("under way");
  expect(openOf()).toEqual(before);
  await exchange(both);
});
