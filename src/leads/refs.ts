import { DeviceRef } from "../devices/refs.ts";
import { builder } from "../graphql/builder.ts";
import { nodeRef } from "../graphql/node.ts";
import { EnrollmentStatusEnum, SequenceRef } from "../sequences/refs.ts";
import type { LeadFilter } from "./filter.ts";
import { importsById, type LeadImport } from "./import-state.ts";
import { leadsById } from "./service.ts";
import type { Lead } from "./write.ts";

export const LeadRef = nodeRef<Lead>("Lead", (ids, { db }) => leadsById(db, ids));

export const LeadImportRef = nodeRef<LeadImport>("LeadImport", (ids, { db }) => importsById(db, ids));

export const LeadFilterInput = builder.inputType("LeadFilter", {
  description: "All given conditions hold.",
  fields: (t) => ({
    ids: t.globalIDList({ for: [LeadRef] }),
    phones: t.field({ type: ["PhoneNumber"] }),
    niche: t.stringList(),
    trigger: t.string({ description: "Leads that have this trigger now." }),
    optedOut: t.boolean(),
    hasReplied: t.boolean(),
    createdAfter: t.field({ type: "DateTime" }),
    createdBefore: t.field({ type: "DateTime" }),
    attributes: t.field({ type: "JSONObject", description: "Attributes equal to these values." }),
    importId: t.globalID({ for: [LeadImportRef] }),
    sequenceId: t.globalID({ for: [SequenceRef] }),
    enrollmentStatus: t.field({ type: [EnrollmentStatusEnum], description: "With sequenceId: enrolled there in one of these states." }),
    hasConsent: t.boolean(),
    preferredDeviceId: t.globalID({ for: [DeviceRef] }),
    search: t.string({ description: "Part of the name or the number." }),
  }),
});

type Id = { readonly id: string } | null | undefined;
type FilterArgs = Omit<LeadFilter, "ids" | "importId" | "sequenceId" | "preferredDeviceId"> & {
  readonly ids?: readonly { readonly id: string }[] | null | undefined;
  readonly importId?: Id;
  readonly sequenceId?: Id;
  readonly preferredDeviceId?: Id;
};

/** The filter with bare ids. */
export const leadFilterOf = (given: FilterArgs | null | undefined): LeadFilter => ({
  ...given,
  ids: given?.ids?.map(({ id }) => id),
  importId: given?.importId?.id,
  sequenceId: given?.sequenceId?.id,
  preferredDeviceId: given?.preferredDeviceId?.id,
});
