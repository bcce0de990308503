import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { checkStopWords, stopWordIn } from "../../../src/replies/stop-words.ts";

const DEFAULT = ["stop", "unsubscribe", "berhenti", "henti", "batal"];
const asks = (text: string, words: readonly string[] = DEFAULT) => stopWordIn(text, words);

describe("a message asks to stop", () => {
  test.each([
    ["stop", "stop"],
    ["STOP", "stop"],
    [" Stop. ", "stop"],
    ["stop!!!", "stop"],
    ["«stop»", "stop"],
    ["STOP please", "stop"],
    ["please stop", "stop"],
    ["Please, stop", "stop"],
    ["stop,please", "stop"],
    ["ok stop, thank you", "stop"],
    ["STOP STOP STOP", "stop"],
    ["unsubscribe me", "unsubscribe"],
    ["stop\nunsubscribe", "stop"],
    ["tolong berhenti", "berhenti"],
    ["Berhenti ya kak, terima kasih 🙏🏽", "berhenti"],
    ["BATAL", "batal"],
    ["henti", "henti"],
    ["🛑 stop ✋️", "stop"],
    ["ＳＴＯＰ", "stop"],
    ["𝐒𝐓𝐎𝐏", "stop"],
    ["st\u200Bop\uFEFF", "stop"],
  ])("with %j", (text, word) => expect(asks(text)).toBe(word));

  test.each([
    "I can't stop laughing",
    "don't stop",
    "please don't stop",
    "dont stop",
    "jangan berhenti",
    "bus stop",
    "stop by tomorrow",
    "stop it 😂",
    "you stop",
    "Can you stop?",
    "stopwatch",
    "nonstop",
    "unstoppable",
    "tak nak batal",
    "saya berhenti kerja",
    "please",
    "thank you",
    "ok",
    "",
    "!!!",
    "👍",
    `stop ${"please ".repeat(20)}`,
    `stop${" ".repeat(1000)}`,
  ])("not with %j", (text) => expect(asks(text)).toBeUndefined());

  test("with the workspace's own words, and no others", () => {
    expect(asks("Tamat", ["tamat"])).toBe("tamat");
    expect(asks("stop", ["tamat"])).toBeUndefined();
    expect(asks("Take me off, please!", ["take me off"])).toBe("take me off");
    expect(asks("take me", ["take me off"])).toBeUndefined();
    expect(asks("நிறுத்து!", ["நிறுத்து"])).toBe("நிறுத்து");
    expect(asks("நிறுத்த", ["நிறுத்து"])).toBeUndefined();
    expect(asks("หยุด", ["หยุด"])).toBe("หยุด");
    expect(asks("STRASSE", ["straße"])).toBe("straße");
    // A shorter one that begins it does not hide it, nor does a polite word.
    expect(asks("stop all", ["stop", "stop all"])).toBe("stop all");
    expect(asks("ok bye", ["ok bye"])).toBe("ok bye");
  });

  test("as SQL wrote them, unlike messages though they are", () => {
    expect(asks("stop", ["", "!!!", " STOP! "])).toBe(" STOP! ");
    expect(asks("hello there", ["", "!!!"])).toBeUndefined();
  });
});

const noise = fc.string({ unit: fc.constantFrom(" ", "\n", "!", ".", ",", "…", "\"", "🙏", "👍🏽", "❤️", "\u200B", "-", "*"), maxLength: 6 });
const word = fc.constantFrom(...DEFAULT);
const inAnyCase = word.chain((text) => fc.mixedCase(fc.constant(text)));

describe("however it is written", () => {
  test.prop([noise, inAnyCase, noise])("case, punctuation, emoji and blanks around a stop word change nothing", (before, text, after) => {
    expect(asks(before + text + after)).toBe(text.toLowerCase());
  });

  test.prop([word, fc.array(fc.constantFrom("please", "tolong", "thank you", "me", "ya"), { maxLength: 3 }), fc.nat(3)])("nor do polite words", (text, polite, at) => {
    expect(asks([...polite.slice(0, at), text, ...polite.slice(at)].join(" "))).toBe(text);
  });

  test.prop([word, fc.string({ unit: fc.constantFrom(..."abcdefghjkqvwxz0189"), minLength: 1, maxLength: 8 }), fc.boolean()])("any other word beside it makes it an ordinary reply", (text, other, isBefore) => {
    expect(asks(isBefore ? `${other} ${text}` : `${text} ${other}`, [text])).toBeUndefined();
    expect(asks(isBefore ? other + text : text + other, [text])).toBeUndefined();
  });

  test.prop([fc.string({ unit: "binary" }), fc.array(fc.string({ unit: "binary", maxLength: 5 }))])("it is answered, whatever the message and the words", (text, words) => {
    const found = asks(text, words);
    if (found !== undefined) expect(words).toContain(found);
  });
});

describe("a workspace's list", () => {
  const check = (...words: string[]) => checkStopWords(words, "input", "stopWords");

  test("is kept as messages are compared with it, no word twice", () => {
    expect(check(" STOP! ", "stop", "Take  me OFF", "ＢＡＴＡＬ")).toEqual({ ok: true, value: ["stop", "take me off", "batal"] });
  });

  const words = fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 });
  test.prop([words])("that is taken finds each of its words, and is kept as it is from then on", (words) => {
    const checked = check(...words);
    fc.pre(checked.ok);
    for (const text of [...words, ...checked.value]) expect(asks(text, checked.value)).toBeDefined();
    expect(check(...checked.value)).toEqual(checked);
  });

  test.each([
    [[], "At least one stop word must remain, so that people can stop the messages themselves.", []],
    [Array.from({ length: 51 }, (_, n) => `w${n}`), "51 stop words are too many; at most 50 are allowed.", []],
    [["stop", "a".repeat(51)], "A stop word may have at most 50 characters, not 51.", ["1"]],
    [["st\nop"], "A stop word may hold no control characters, such as line breaks.", ["0"]],
    [["stop", "🛑"], "A stop word needs letters or digits: punctuation and emoji are taken off a message before it is compared.", ["1"]],
    [["ﷺ".repeat(3)], "A stop word may have at most 50 characters, not 54 once it is written out.", ["0"]],
    [["a b c d e f g h i j k l m"], "A stop word may consist of at most 12 words.", ["0"]],
  ])("is refused as %j", (words, message, at) => {
    expect(check(...words)).toEqual({ ok: false, errors: [{ code: "INVALID", message, field: ["input", "stopWords", ...at] }] });
  });
});
