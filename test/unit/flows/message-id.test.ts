import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { createMessageIds } from "../../../src/flows/message-id.ts";

const ids = createMessageIds(Buffer.from("000102030405060708090a0b0c0d0e0f", "hex"));

describe("message ids", () => {
  test.prop([fc.uuid()])("lead back to their flow", (flowId) => {
    const messageId = ids.messageIdOf(flowId);
    expect(messageId).toMatch(/^[0-9A-F]{32}$/);
    expect(ids.flowIdOf(messageId)).toBe(flowId);
  });

  test.prop([fc.array(fc.uuid(), { maxLength: 50 })])("are the same one by one and many at a time", (flowIds) => {
    expect(ids.messageIdsOf(flowIds)).toEqual(flowIds.map(ids.messageIdOf));
  });

  test("are made of whole ids only, or the next ones would be wrong", () => {
    const flowId = "00112233-4455-6677-8899-aabbccddeeff";
    expect(() => ids.messageIdsOf([flowId, "0011"])).toThrow(/UUID/);
    expect(ids.messageIdOf(flowId)).toBe("69C4E0D86A7B0430D8CDB78070B4C55A");
  });

  test.prop([fc.uuid()])("mean nothing without the installation's key", (flowId) => {
    const others = createMessageIds(Buffer.alloc(16, 1));
    expect(others.flowIdOf(ids.messageIdOf(flowId))).not.toBe(flowId);
  });

  test("are AES-128 of one block, as FIPS 197 gives it", () => {
    expect(ids.messageIdOf("00112233-4455-6677-8899-aabbccddeeff")).toBe("69C4E0D86A7B0430D8CDB78070B4C55A");
  });

  test.prop([fc.string()])("of another form are nobody's", (text) => {
    fc.pre(!/^[0-9A-F]{32}$/.test(text));
    expect(ids.flowIdOf(text)).toBeNull();
  });
});
