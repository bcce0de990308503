import { describe, expect, test } from "vitest";
import type { Deadline } from "../../../../src/lib/deadline.ts";
import { guardWrite, markEncrypted, mayWrite } from "../../../../src/transports/whatsapp/write-guard.ts";

const open: Deadline = { hasPassed: () => false };
const passed: Deadline = { hasPassed: () => true };
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("what belongs to no message may always be written", () => {
  expect(mayWrite()).toBe(true);
});

describe("a message", () => {
  test("is not written before it is encrypted: what leaves before that are look-ups", async () => {
    const guarded = guardWrite(open, async () => {
      expect(mayWrite()).toBe(true);
    });
    await guarded.done;
    expect(guarded.isWritten()).toBe(false);
  });

  test("is written with what leaves after it was encrypted", async () => {
    const guarded = guardWrite(open, async () => {
      await turn();
      markEncrypted();
      await turn();
      expect(mayWrite()).toBe(true);
    });
    await guarded.done;
    expect(guarded.isWritten()).toBe(true);
  });

  test("is never written once its deadline has passed, however far it had come", async () => {
    let hasPassed = false;
    const guarded = guardWrite({ hasPassed: () => hasPassed }, async () => {
      markEncrypted();
      await turn();
      hasPassed = true;
      expect(mayWrite()).toBe(false);
    });
    await guarded.done;
    expect(guarded.isWritten()).toBe(false);
  });

  test("keeps nobody else from writing", async () => {
    const late = guardWrite(passed, async () => {
      await turn();
      expect(mayWrite()).toBe(false);
    });
    const other = guardWrite(open, async () => {
      markEncrypted();
      await turn();
      expect(mayWrite()).toBe(true);
    });
    await Promise.all([late.done, other.done]);
    expect([late.isWritten(), other.isWritten()]).toEqual([false, true]);
  });

  test("binds what is said after it, for the same person, to no deadline", async () => {
    let hasPassed = false;
    const guarded = guardWrite({ hasPassed: () => hasPassed }, async () => {
      markEncrypted();
      expect(mayWrite()).toBe(true);
      hasPassed = true;
      expect(mayWrite()).toBe(true);
    });
    await guarded.done;
  });
});
