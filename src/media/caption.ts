// The text that goes with media.

import { templateProblems } from "../messages/template.ts";
import type { Variant } from "../messages/variants.ts";
import { hasCaption, type MediaKind, nameOf } from "./kinds.ts";

/** Media that a message is sent with. */
export type ChosenMedia = { readonly id: string; readonly kind: MediaKind };

/** What is wrong with a message's own text: that of media may be empty, and that of sound must be. */
export function captionProblems(text: string, media: ChosenMedia | null): readonly string[] {
  if (media === null) return templateProblems(text);
  if (text === "") return [];
  if (!hasCaption(media.kind)) return [`WhatsApp shows no text with ${nameOf(media.kind)}; leave the text empty, and send it as a message of its own.`];
  return templateProblems(text);
}

/** Variants are texts: where none is shown there is nothing to try. */
export const variantMediaProblem = (variants: readonly Variant[], media: ChosenMedia | null): string | undefined =>
  media !== null && variants.length > 0 && !hasCaption(media.kind) ? `WhatsApp shows no text with ${nameOf(media.kind)}, so that variants of it cannot differ; leave them out.` : undefined;

/** What is rendered for it; undefined where it goes without a text, and so without a greeting. */
export const captionOf = (template: string, media: { readonly kind: MediaKind } | null): string | undefined =>
  media !== null && (template === "" || !hasCaption(media.kind)) ? undefined : template;
