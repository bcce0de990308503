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
    ids: t.globalIDList({ for: [LeadRef], description: "These leads, at most 1,000." }),
    phones: t.field({ type: ["PhoneNumber"], description: "Leads with these numbers, at most 1,000." }),
    niche: t.stringList({ description: "Of one of these niches, at most 1,000, spelt exactly so." }),
    trigger: t.string({ description: "Leads that have this trigger now." }),
    optedOut: t.boolean({ description: "Whether the person has opted out." }),
    hasReplied: t.boolean({ description: "Whether the person has ever written to one of the workspace's devices." }),
    createdAfter: t.field({ type: "DateTime", description: "Made later than this time." }),
    createdBefore: t.field({ type: "DateTime", description: "Made before this time." }),
    attributes: t.field({ type: "JSONObject", description: "Attributes equal to these values." }),
    importId: t.globalID({ for: [LeadImportRef], description: "Leads that this import was the last one to write." }),
    sequenceId: t.globalID({ for: [SequenceRef], description: "Enrolled in this sequence, now or before; enrollmentStatus narrows it down." }),
    enrollmentStatus: t.field({ type: [EnrollmentStatusEnum], description: "With sequenceId: enrolled there in one of these states." }),
    hasConsent: t.boolean({ description: "Whether a consent is recorded." }),
    preferredDeviceId: t.globalID({ for: [DeviceRef], description: "Leads for which this device is set as the preferred one." }),
    search: t.string({ description: "Part of the name, in any case, or of the number, from three digits on." }),
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
