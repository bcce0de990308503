// What can be sent as what, as data: types by the file's content, and sizes, as WhatsApp takes them.

export const MEDIA_KINDS = ["IMAGE", "VIDEO", "DOCUMENT", "AUDIO", "VOICE_NOTE"] as const;
export type MediaKind = (typeof MEDIA_KINDS)[number];

type Rule = {
  /** How an error calls it. */
  readonly name: string;
  /** How an error calls the types. */
  readonly shown: string;
  readonly types: readonly string[];
  readonly maxBytes: number;
  /** WhatsApp shows a text with it. */
  readonly hasCaption: boolean;
};

const OPUS = "audio/ogg; codecs=opus";
const IMAGES = ["image/jpeg", "image/png"];
const VIDEOS = ["video/mp4", "video/3gpp"];
const SOUNDS = ["audio/mpeg", "audio/mp4", "audio/x-m4a", "audio/aac", "audio/amr", OPUS];

/** Of any kind: a file is in memory while it is fetched, stored and encrypted. */
export const MAX_MEDIA_BYTES = 16_000_000;

const OFFICE = ["wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation"].map((format) => `application/vnd.openxmlformats-officedocument.${format}`);
const OPEN_DOCUMENT = ["text", "spreadsheet", "presentation"].map((format) => `application/vnd.oasis.opendocument.${format}`);
const OLD_OFFICE = "application/x-cfb";

const RULES: Readonly<Record<MediaKind, Rule>> = {
  IMAGE: { name: "an image", shown: "a JPEG or PNG", types: IMAGES, maxBytes: 5_000_000, hasCaption: true },
  VIDEO: { name: "a video", shown: "an MP4 or 3GP", types: VIDEOS, maxBytes: MAX_MEDIA_BYTES, hasCaption: true },
  AUDIO: { name: "an audio file", shown: "an MP3, M4A, AAC, AMR, or Ogg with Opus", types: SOUNDS, maxBytes: MAX_MEDIA_BYTES, hasCaption: false },
  VOICE_NOTE: { name: "a voice note", shown: "an Ogg file with Opus", types: [OPUS], maxBytes: MAX_MEDIA_BYTES, hasCaption: false },
  DOCUMENT: {
    name: "a document",
    shown: "a PDF, text, CSV, Word, Excel, PowerPoint or OpenDocument file, or whatever can be sent as image, video or audio",
    types: ["application/pdf", "text/plain", "text/csv", "application/rtf", OLD_OFFICE, ...OFFICE, ...OPEN_DOCUMENT, ...IMAGES, ...VIDEOS, ...SOUNDS],
    maxBytes: MAX_MEDIA_BYTES,
    hasCaption: true,
  },
};

/** As what a file of that type is sent where nobody says so; undefined where it cannot be sent at all. */
export const kindFor = (contentType: string): MediaKind | undefined => (["IMAGE", "VIDEO", "AUDIO", "DOCUMENT"] as const).find((kind) => RULES[kind].types.includes(contentType));

/** "an image", in the middle of a sentence. */
export const nameOf = (kind: MediaKind): string => RULES[kind].name;

export const hasCaption = (kind: MediaKind): boolean => RULES[kind].hasCaption;

/** A sentence on why a file cannot be sent as that; undefined where it can. */
export function kindProblem(kind: MediaKind, contentType: string, sizeBytes: number): string | undefined {
  const { shown, types, maxBytes } = RULES[kind];
  const name = sentenceCase(RULES[kind].name);
  if (!types.includes(contentType)) return `${name} must be ${shown}; by its content this file is ${contentType}.`;
  if (sizeBytes > maxBytes) return `${name} has at most ${maxBytes / 1e6} MB; this file has ${(sizeBytes / 1e6).toFixed(1)} MB. Send a smaller one.`;
  return undefined;
}

const sentenceCase = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
