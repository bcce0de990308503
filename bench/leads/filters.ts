// Every field of LeadFilter, by a value that few leads have and by one that many have, where there are both.

import { NAMED } from "./rows.ts";
import type { LeadFilter } from "../../src/leads/filter.ts";

/** Some leads that are there, for the filters that list them. */
export type Known = { readonly ids: readonly string[]; readonly phones: readonly string[]; readonly middle: Date; readonly lastDay: Date };

export const filtersOf = ({ ids, phones, middle, lastDay }: Known): readonly (readonly [name: string, filter: LeadFilter])[] => [
  ["ids", { ids }],
  ["phones", { phones }],
  ["niche (many)", { niche: ["property"] }],
  ["niche (few)", { niche: ["yachts"] }],
  ["trigger (many)", { trigger: "promo_start" }],
  ["trigger (few)", { trigger: "vip_start" }],
  ["optedOut", { optedOut: true }],
  ["not optedOut", { optedOut: false }],
  ["hasReplied", { hasReplied: true }],
  ["not hasReplied", { hasReplied: false }],
  ["createdAfter (many)", { createdAfter: middle }],
  ["createdAfter (few)", { createdAfter: lastDay }],
  ["createdBefore", { createdBefore: middle }],
  ["attributes (many)", { attributes: { plan: "pro" } }],
  ["attributes (few)", { attributes: { shirt: "XXXL" } }],
  ["importId", { importId: NAMED.lastImport }],
  ["sequenceId (many)", { sequenceId: NAMED.bigSequence }],
  ["sequenceId (few)", { sequenceId: NAMED.smallSequence }],
  ["enrollmentStatus", { sequenceId: NAMED.bigSequence, enrollmentStatus: ["ACTIVE"] }],
  ["hasConsent", { hasConsent: true }],
  ["not hasConsent", { hasConsent: false }],
  ["preferredDeviceId", { preferredDeviceId: NAMED.device }],
  ["search (many)", { search: "zul" }],
  ["search (few)", { search: "quillfeather" }],
  ["search (number)", { search: "011-1005 77" }],
];
