// Media by the real client: encrypted, uploaded, and opened by the person who gets them.

import { createHash, randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SECOND_MS } from "../../src/lib/clock.ts";
import { createDeadline } from "../../src/lib/deadline.ts";
import type { MediaKind } from "../../src/media/kinds.ts";
import { saveMedia } from "../../src/media/store.ts";
import { workspaceDb } from "../../src/db/workspace.ts";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { type OutgoingMedia, type Preparation, SEND_DEADLINE_MS } from "../../src/transports/transport.ts";
import { eventually } from "../support/eventually.ts";
import { one } from "../support/factories.ts";
import { jpeg, mp3, mp4, pdf, voiceNote } from "../support/files.ts";
import { PERSON, type TestSession, type WhatsappRig, whatsappRig } from "../support/whatsapp.ts";

let rig: WhatsappRig;
beforeEach(async () => {
  rig = await whatsappRig();
});
afterEach(() => rig.stop());

async function media(kind: MediaKind, contentType: string, bytes: Buffer, fileName = ""): Promise<OutgoingMedia> {
  const { id } = await saveMedia(workspaceDb(rig.database.pool, DEFAULT_WORKSPACE_ID), { kind, contentType, bytes, fileName });
  return { id, kind, contentType, fileName, sha256: createHash("sha256").update(bytes).digest("hex") };
}

async function send(session: TestSession, outgoing: OutgoingMedia, text: string, { phone = PERSON, flowId = randomUUID() as string } = {}) {
  const prepared = await session.prepare(outgoing);
  if (prepared.kind !== "ready") throw new Error(JSON.stringify(prepared));
  const [messageId = ""] = rig.messageIds.messageIdsOf([flowId]);
  return session.send({ flowId, messageId, phone, text, media: prepared.media }, createDeadline(rig.clock, SEND_DEADLINE_MS));
}

const messages = () => rig.fake.witness.of("message");

describe("a person gets", () => {
  test.each([
    ["an image with its caption", "IMAGE", "image/jpeg", jpeg(100_000), "", "image", "Promosi 🌞"],
    ["a video", "VIDEO", "video/mp4", mp4(300_000), "", "video", "Tengok ni"],
    ["a document by its name", "DOCUMENT", "application/pdf", pdf(20_000), "Harga 2026.pdf", "document", "Senarai harga"],
    ["an audio file", "AUDIO", "audio/mpeg", mp3(), "", "audio", ""],
    ["a voice note", "VOICE_NOTE", "audio/ogg; codecs=opus", voiceNote(), "", "voice note", ""],
    ["an image without a caption", "IMAGE", "image/jpeg", jpeg(), "", "image", ""],
  ] as const)("%s, byte for byte", async (_what, kind, contentType, bytes, fileName, seenKind, text) => {
    const session = await rig.online();
    const outgoing = await media(kind, contentType, bytes, fileName);
    expect(await send(session, outgoing, text)).toMatchObject({ kind: "accepted" });
    expect(messages()).toMatchObject([
      { phone: PERSON, text, undecrypted: null, media: { kind: seenKind, contentType, sha256: outgoing.sha256, bytes: bytes.length, fileName: fileName || null } },
    ]);
  });
});

describe("an upload", () => {
  test("is made once for all of a device's recipients, also of those who ask at the same time", async () => {
    const session = await rig.online();
    const outgoing = await media("IMAGE", "image/jpeg", jpeg());
    const phones = [PERSON, "60198765433", "60198765434"];
    await Promise.all(phones.map(() => session.prepare(outgoing)));
    for (const phone of phones) expect(await send(session, outgoing, `For ${phone}`, { phone })).toMatchObject({ kind: "accepted" });
    expect(messages().map(({ text, media }) => [text, media?.sha256])).toEqual(phones.map((phone) => [`For ${phone}`, outgoing.sha256]));
    expect(rig.fake.witness.of("media")).toHaveLength(1);
  });

  test("is each device's own", async () => {
    const [first, second] = [await rig.online(), await rig.online("60123456780")];
    const outgoing = await media("IMAGE", "image/jpeg", jpeg());
    await send(first, outgoing, "One");
    await send(second, outgoing, "Two");
    expect(rig.fake.witness.of("media")).toHaveLength(2);
  });

  test("that the media servers refuse is tried again, and then told of: nothing was sent", async () => {
    const session = await rig.online();
    rig.fake.behave({ media: { refuse: 500 } });
    const outgoing = await media("IMAGE", "image/jpeg", jpeg());
    let prepared: Preparation | undefined;
    void session.prepare(outgoing).then((ended) => (prepared = ended));
    await eventually(() => (rig.clock.jump(SECOND_MS), prepared), "it is given up");
    expect(prepared).toEqual({ kind: "failed", message: "WhatsApp's media servers did not take the file. Have it tried again with retryFlow." });
    rig.fake.behaveWell();
    expect(await session.prepare(outgoing)).toMatchObject({ kind: "ready" });
    expect(messages()).toEqual([]);
  });

  test("of what is gone from the database fails; without a connection it is for later", async () => {
    const session = await rig.online();
    const outgoing = await media("IMAGE", "image/jpeg", jpeg());
    expect(await session.prepare({ ...outgoing, id: randomUUID() })).toEqual({ kind: "failed", message: expect.stringMatching(/gone/) });
    await session.close();
    expect(await session.prepare(outgoing)).toEqual({ kind: "later" });
  });
});

test("a person who could not open the message asks for it again, and gets the same file", async () => {
  const session = await rig.online();
  const outgoing = await media("IMAGE", "image/jpeg", jpeg());
  rig.fake.behave({ asksAgain: 1 });
  const { id: flowId } = await one<{ id: string }>(
    rig.database.pool,
    `WITH lead AS (INSERT INTO leads (phone) VALUES ($1) RETURNING id)
     INSERT INTO flows (workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id, due_at, device_id, text, media_id)
     SELECT $4, 1, id, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now(), $2, 'Here it is', $3 FROM lead RETURNING id`,
    [PERSON, session.deviceId, outgoing.id, DEFAULT_WORKSPACE_ID],
  );
  expect(await send(session, outgoing, "Here it is", { flowId })).toMatchObject({ kind: "accepted" });
  const served = await rig.fake.waitFor("message", ({ retries }) => retries === 1);
  expect(served).toMatchObject({ text: "Here it is", media: { kind: "image", sha256: outgoing.sha256 } });
  expect(rig.fake.witness.of("media")).toHaveLength(1);
});
