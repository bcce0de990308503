import type { BinaryNode } from "baileys";
import { describe, expect, test } from "vitest";
import { envelopeOf, isOfOnePerson, receiptsOf } from "../../../../src/transports/whatsapp/stanzas.ts";

const NOW = Date.UTC(2026, 10, 25);
const PERSON = "60198765432@s.whatsapp.net";
const stanza = (tag: string, attrs: Record<string, string>, content?: BinaryNode[]): BinaryNode => ({ tag, attrs, ...(content && { content }) });

describe("a receipt", () => {
  test.each([
    [{}, "delivered"],
    [{ type: "inactive" }, "delivered"],
    [{ type: "read" }, "read"],
    [{ type: "played" }, "read"],
  ])("%j says that it is %s, at WhatsApp's time", (attrs, kind) => {
    expect(receiptsOf(stanza("receipt", { id: "A", from: PERSON, t: "1764000000", ...attrs }), NOW)).toEqual([{ messageId: "A", kind, at: new Date(1_764_000_000_000) }]);
  });

  test("of several messages speaks for each", () => {
    const list = stanza("list", {}, [stanza("item", { id: "B" }), stanza("item", { id: "C" })]);
    expect(receiptsOf(stanza("receipt", { id: "A", from: PERSON, type: "read" }, [list]), NOW).map(({ messageId, at }) => [messageId, at.getTime()])).toEqual([["A", NOW], ["B", NOW], ["C", NOW]]);
  });

  test.each([{ type: "retry" }, { type: "sender" }, { type: "read-self" }, { type: "server-error" }, { recipient: PERSON }])("%j says nothing of the recipient", (attrs) => {
    expect(receiptsOf(stanza("receipt", { id: "A", from: PERSON, ...attrs }), NOW)).toEqual([]);
  });
});

describe("a message", () => {
  const me = { id: "60123456789:4@s.whatsapp.net", lid: "111:4@lid" };
  const envelope = (attrs: Record<string, string>) => envelopeOf(stanza("message", { id: "A", t: "1764000000", ...attrs }), me);

  test("is known by its id, its sender under both names, and its time", () => {
    expect(envelope({ from: PERSON, sender_lid: "222@lid" })).toEqual({ messageId: "A", from: PERSON, alternate: "222@lid", sentAt: 1_764_000_000 });
    expect(envelope({ from: "222@lid", sender_pn: PERSON })).toMatchObject({ from: "222@lid", alternate: PERSON });
    expect(envelope({ from: "222@lid" })).toMatchObject({ alternate: null });
  });

  test.each([
    ["of the account's own", { from: "60123456789@s.whatsapp.net" }],
    ["of its own under the hidden id", { from: "111@lid" }],
    ["of its phone to its linked devices", { from: PERSON, category: "peer" }],
    ["in a group", { from: "120363000000000000@g.us" }],
    ["of a status", { from: "status@broadcast" }],
    ["with an id that fits into no index", { from: PERSON, id: "A".repeat(201) }],
  ])("%s is nobody's reply", (_what, attrs) => {
    expect(envelope(attrs)).toBeUndefined();
  });
});

test("only people are of one person", () => {
  const jids = [PERSON, "222@lid", "120363000000000000@g.us", "status@broadcast", "123@newsletter"];
  expect(jids.filter(isOfOnePerson)).toEqual([PERSON, "222@lid"]);
});
