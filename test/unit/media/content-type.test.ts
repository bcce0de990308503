import { describe, expect, test } from "vitest";
import { contentTypeOf } from "../../../src/media/content-type.ts";
import { kindFor, kindProblem, MAX_MEDIA_BYTES, MEDIA_KINDS } from "../../../src/media/kinds.ts";
import { executable, jpeg, mp3, mp4, pdf, png, voiceNote } from "../../support/files.ts";

describe("a file's type", () => {
  test.each([
    ["a PNG", png(), "picture.txt", "image/png", "IMAGE"],
    ["a JPEG", jpeg(), "", "image/jpeg", "IMAGE"],
    ["an MP4", mp4(), "", "video/mp4", "VIDEO"],
    ["an MP3", mp3(), "", "audio/mpeg", "AUDIO"],
    ["a voice note", voiceNote(), "", "audio/ogg; codecs=opus", "AUDIO"],
    ["a PDF", pdf(), "price.jpg", "application/pdf", "DOCUMENT"],
    ["text", Buffer.from("Harga: RM 10\n"), "harga.txt", "text/plain", "DOCUMENT"],
    ["a page, which is text as long as nobody shows it as one", Buffer.from("<html><script>alert(1)</script>"), "page.html", "text/plain", "DOCUMENT"],
    ["a CSV", Buffer.from("a,b\n1,2\n"), "list.csv", "text/csv", "DOCUMENT"],
    ["a program", executable(), "picture.jpg", "application/x-elf", undefined],
    ["what is nothing", Buffer.from([1, 2, 3, 0, 255]), "picture.jpg", undefined, undefined],
    ["an empty file", Buffer.alloc(0), "empty.txt", undefined, undefined],
  ])("of %s is told by its content", async (_what, bytes, name, type, kind) => {
    const found = await contentTypeOf(bytes, name);
    expect(found).toBe(type);
    expect(kindFor(found ?? "")).toBe(kind);
  });
});

describe("what cannot be sent as that", () => {
  test("is named with what would be right", () => {
    expect(kindProblem("IMAGE", "application/pdf", 10)).toBe("An image must be a JPEG or PNG; by its content this file is application/pdf.");
    expect(kindProblem("VOICE_NOTE", "audio/mpeg", 10)).toMatch("A voice note must be an Ogg file with Opus");
    expect(kindProblem("IMAGE", "image/png", 5_000_001)).toBe("An image has at most 5 MB; this file has 5.0 MB. Send a smaller one.");
  });

  test("is nothing else: at its size, each kind takes its own types", () => {
    expect(kindProblem("IMAGE", "image/png", 5_000_000)).toBeUndefined();
    for (const kind of MEDIA_KINDS) expect(kindProblem(kind, "audio/ogg; codecs=opus", MAX_MEDIA_BYTES) === undefined).toBe(!["IMAGE", "VIDEO"].includes(kind));
  });
});
