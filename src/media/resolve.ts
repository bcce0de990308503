// From what a caller gives, a URL, a file or the id of media, to media that can be sent; before any transaction begins, for a URL may take its time.

import type { WorkspaceDb } from "../db/workspace.ts";
import { invalid, ok, refused, type Result, type UserError } from "../lib/errors.ts";
import { excerpt } from "../lib/text.ts";
import type { ChosenMedia } from "./caption.ts";
import { contentTypeOf } from "./content-type.ts";
import type { FetchMedia } from "./fetch.ts";
import { kindFor, kindProblem, MAX_MEDIA_BYTES, type MediaKind } from "./kinds.ts";
import { mediaById, saveMedia, saveMediaAs, type Media } from "./store.ts";

type Optional<T> = T | null | undefined;

export type MediaChoices = {
  /** By the file's type where it is left out. */
  readonly kind?: Optional<MediaKind>;
  /** A document's. */
  readonly fileName?: Optional<string>;
};

export type MediaInput = MediaChoices & { readonly url?: Optional<string>; readonly mediaId?: Optional<string> };

export type MediaSources = { readonly db: WorkspaceDb; readonly fetchMedia: FetchMedia };

export type File = { readonly bytes: Buffer; readonly fileName: string };

const MAX_FILE_NAME_LENGTH = 200;

/** Keeps a file, as what it can be sent as. `source`: the field that it was given in. */
export async function keepFile(db: WorkspaceDb, { bytes, fileName }: File, choices: MediaChoices, path: readonly string[], source: string): Promise<Result<Media>> {
  if (bytes.length > MAX_MEDIA_BYTES) return refused(invalid(`A file has at most ${MAX_MEDIA_BYTES / 1e6} MB; give a smaller one.`, ...path, source));
  const name = fileNameOf(choices.fileName ?? fileName);
  const contentType = await contentTypeOf(bytes, name);
  const kind = choices.kind ?? kindFor(contentType ?? "");
  if (contentType === undefined || kind === undefined) {
    const what = contentType === undefined ? "It is no file of a known type" : `By its content the file is ${contentType}, which cannot be sent`;
    return refused(invalid(`${what}; give an image, a video, an audio file, or a document such as a PDF.`, ...path, source));
  }
  const problem = kindProblem(kind, contentType, bytes.length);
  if (problem) return refused(invalid(problem, ...path, choices.kind == null ? source : "kind"));
  return ok(await saveMedia(db, { bytes, contentType, kind, fileName: nameFor(kind, name) }));
}

/** What `input` stands for. */
export async function resolveMedia({ db, fetchMedia }: MediaSources, { url, mediaId, ...choices }: MediaInput, path: readonly string[]): Promise<Result<ChosenMedia>> {
  if ((url == null) === (mediaId == null)) {
    return refused(invalid("Media is given by its url, or by the mediaId of what createMedia has answered; give one of the two.", ...path));
  }
  if (mediaId != null) return reused(db, mediaId, choices, path);
  const fetched = await fetchMedia(url ?? "");
  if (!fetched.ok) return refused(invalid(fetched.problem, ...path, "url"));
  return keepFile(db, fetched, choices, path, "url");
}

async function reused(db: WorkspaceDb, id: string, choices: MediaChoices, path: readonly string[]): Promise<Result<ChosenMedia>> {
  const [found] = await mediaById(db, [id]);
  if (!found) return refused({ code: "NOT_FOUND", message: "There is no media with this id; createMedia makes one of a file or a URL.", field: [...path, "mediaId"] });
  const kind = choices.kind ?? found.kind;
  const fileName = nameFor(kind, fileNameOf(choices.fileName ?? found.fileName));
  if (kind === found.kind && fileName === found.fileName) return ok(found);
  const problem = kindProblem(kind, found.contentType, found.sizeBytes);
  if (problem) return refused(invalid(problem, ...path, "kind"));
  return ok(await saveMediaAs(db, id, kind, fileName));
}

/** So many at once: each may take seconds. */
const MAX_URLS = 20;

type WithMedia = { readonly media?: Optional<MediaInput> };
export type Resolved<Item extends WithMedia> = Omit<Item, "media"> & { readonly media?: ChosenMedia | null };

/** Each item with what its media stands for, or everything that is wrong with any. What several have in common is fetched once; one after the other, so that
 *  one file at a time is in memory. */
export async function resolveAll<Item extends WithMedia>(sources: MediaSources, items: readonly Item[], pathOf: (index: number) => readonly string[]): Promise<Result<Resolved<Item>[]>> {
  const urls = new Set(items.flatMap(({ media }) => media?.url ?? []));
  if (urls.size > MAX_URLS) {
    const message = `${urls.size} addresses are too many for one call; at most ${MAX_URLS} are fetched. Make media of them by createMedia first, and give their ids.`;
    return refused({ code: "LIMIT_EXCEEDED", message, field: [...pathOf(0).slice(0, -1)] });
  }
  const known = new Map<string, Result<ChosenMedia>>();
  const mediaOf = async (media: MediaInput, path: readonly string[]) => {
    const same = JSON.stringify(media);
    const result = known.get(same) ?? (await resolveMedia(sources, media, path));
    if (result.ok) known.set(same, result); // what is wrong is told at each place
    return result;
  };
  const errors: UserError[] = [];
  const resolved: Resolved<Item>[] = [];
  for (const [index, item] of items.entries()) {
    const { media, ...rest } = item;
    const result = media == null ? ok(media) : await mediaOf(media, [...pathOf(index), "media"]);
    if (result.ok) resolved.push({ ...rest, media: result.value } as Resolved<Item>);
    else errors.push(...result.errors);
  }
  return errors.length > 0 ? refused(...errors) : ok(resolved);
}

/** What `write` makes of one input once its media is there. */
export async function withMedia<Item extends WithMedia, T>(sources: MediaSources, item: Item, write: (item: Resolved<Item>) => Promise<Result<T>>): Promise<Result<T>> {
  const { media, ...rest } = item;
  const resolved = media == null ? ok(media) : await resolveMedia(sources, media, ["input", "media"]);
  return resolved.ok ? write({ ...rest, media: resolved.value } as Resolved<Item>) : resolved;
}

/** Without what could be taken for a folder, or would not show. */
const fileNameOf = (name: string) => excerptOf(name.replace(/[\p{Cc}\p{Cf}/\\:*?"<>|]+/gu, " ").trim());
const excerptOf = (name: string) => (name.length > MAX_FILE_NAME_LENGTH ? excerpt(name, MAX_FILE_NAME_LENGTH) : name);

/** Only a document shows its name, and has to have one. */
const nameFor = (kind: MediaKind, name: string) => (kind !== "DOCUMENT" ? "" : name || "document");
