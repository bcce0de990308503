import { buffer } from "node:stream/consumers";
import { builder } from "../graphql/builder.ts";
import type { ApiContext } from "../graphql/context.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import { invalid, ok, refused, type Result } from "../lib/errors.ts";
import { MediaKindEnum, MediaRef } from "./refs.ts";
import { keepFile, resolveMedia } from "./resolve.ts";

MediaRef.implement({
  description: "A file to be sent, and as what. It never changes: a step that is given another file has other media.",
  fields: (t) => ({
    kind: t.expose("kind", { type: MediaKindEnum, description: "As what it is sent." }),
    contentType: t.exposeString("contentType", { description: "By the file's content, such as image/jpeg." }),
    fileName: t.string({ nullable: true, description: "As the recipient sees it; only of a DOCUMENT.", resolve: ({ fileName }) => fileName || null }),
    sizeBytes: t.exposeInt("sizeBytes", { description: "The size of the file, in bytes." }),
    path: t.string({ description: "Where it can be looked at, on this server and with a token, by GET.", resolve: ({ id }) => `/media/Media:${id}` }),
  }),
});

const CreateMediaInput = builder.inputType("CreateMediaInput", {
  description: "One of file and url.",
  fields: (t) => ({
    file: t.field({ type: "File", description: "The file itself, of at most 16 MB, as a part of a multipart request." }),
    url: t.string({ description: "http or https, on the public internet." }),
    kind: t.field({ type: MediaKindEnum, description: "By the file's content where it is left out: IMAGE, VIDEO, AUDIO or DOCUMENT." }),
    fileName: t.string({ description: "As the recipient of a document sees it; the file's own where it is left out." }),
  }),
});

const CreateMediaPayload = payloadType<string>("CreateMediaPayload", (t) => ({
  media: t.field({
    type: MediaRef,
    nullable: true,
    description: "What was kept, to be used in steps and campaigns by its id. Null where the call was refused.",
    resolve: ({ value }) => value,
  }),
}));

builder.mutationField("createMedia", (t) =>
  t.field({
    type: CreateMediaPayload,
    description: "Keeps a file to be sent with steps and campaigns. The same file as the same kind is the same media, however often it is given.",
    args: { input: t.arg({ type: CreateMediaInput, required: true }) },
    resolve: (_root, { input }, context) => payload(create(context, input)),
  }),
);

async function create(context: ApiContext, { file, url, ...choices }: (typeof CreateMediaInput)["$inferInput"]): Promise<Result<string>> {
  if ((file == null) === (url == null)) return refused(invalid("Give the file itself, or the url that it is fetched from; one of the two.", "input"));
  const made = file
    ? await keepFile(context.db, { bytes: await buffer(file.stream()), fileName: file.name }, choices, ["input"], "file")
    : await resolveMedia(context, { url, ...choices }, ["input"]);
  return made.ok ? ok(made.value.id) : made;
}
