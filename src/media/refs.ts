import { builder } from "../graphql/builder.ts";
import { nodeRef } from "../graphql/node.ts";
import type { MEDIA_KINDS } from "./kinds.ts";
import { mediaById, type Media } from "./store.ts";

export const MediaRef = nodeRef<Media>("Media", (ids, { db }) => mediaById(db, ids));

export const MediaKindEnum = builder.enumType("MediaKind", {
  description: "As what a file is sent.",
  values: {
    IMAGE: { description: "JPEG or PNG, up to 5 MB." },
    VIDEO: { description: "MP4 or 3GP, up to 16 MB." },
    DOCUMENT: { description: "PDF, text, CSV, Word, Excel, PowerPoint, OpenDocument, or any of the others as a file; up to 16 MB." },
    AUDIO: { description: "MP3, M4A, AAC, AMR, or Ogg with Opus, up to 16 MB. WhatsApp shows no text with it." },
    VOICE_NOTE: { description: "Ogg with Opus, up to 16 MB, shown as if it had been spoken. WhatsApp shows no text with it." },
  } satisfies Record<(typeof MEDIA_KINDS)[number], object>,
});

export const MediaInputType = builder.inputType("MediaInput", {
  description: "By url or mediaId. A file is fetched when this is saved, and sent as it was then.",
  fields: (t) => ({
    url: t.string({ description: "http or https, on the public internet." }),
    mediaId: t.globalID({ for: [MediaRef], description: "Of createMedia, or of another step or campaign." }),
    kind: t.field({ type: MediaKindEnum, description: "By the file's content where it is left out: IMAGE, VIDEO, AUDIO or DOCUMENT." }),
    fileName: t.string({ description: "As the recipient of a document sees it; the file's own where it is left out." }),
  }),
});

type Given = (typeof MediaInputType)["$inferInput"];

/** With a bare id. */
export const mediaInput = <Media extends Given | null | undefined>(media: Media) => (media ? { ...media, mediaId: media.mediaId?.id } : (media as Exclude<Media, Given>));
