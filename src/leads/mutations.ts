import { DeviceRef } from "../devices/refs.ts";
import { builder } from "../graphql/builder.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import { eraseLead } from "./erase.ts";
import { optInLead, optOutLead } from "./opt-out.ts";
import { LeadFilterInput, leadFilterOf, LeadRef } from "./refs.ts";
import { createLead, updateLead } from "./service.ts";
import { setLeadTriggers, TRIGGER_MODES } from "./set-triggers.ts";
import { upsertLeads, type UpsertedLeads } from "./upsert.ts";

export const ConsentInput = builder.inputType("ConsentInput", {
  fields: (t) => ({ source: t.string({ required: true }), at: t.field({ type: "DateTime", required: true }) }),
});

const LeadInput = builder.inputType("LeadInput", {
  fields: (t) => ({
    phone: t.field({ type: "PhoneNumber", required: true }),
    name: t.string(),
    niche: t.string(),
    triggers: t.stringList(),
    attributes: t.field({ type: "JSONObject", description: "Those that are not named stay as they are; one that is null is removed." }),
    timeZone: t.field({ type: "TimeZone" }),
    preferredDeviceId: t.globalID({ for: [DeviceRef] }),
    consent: t.field({ type: ConsentInput }),
  }),
});

const UpdateLeadInput = builder.inputType("UpdateLeadInput", {
  fields: (t) => ({
    id: t.globalID({ required: true, for: [LeadRef] }),
    phone: t.field({ type: "PhoneNumber" }),
    name: t.string(),
    niche: t.string(),
    triggers: t.stringList(),
    attributes: t.field({ type: "JSONObject", description: "Those that are not named stay as they are; one that is null is removed." }),
    timeZone: t.field({ type: "TimeZone" }),
    preferredDeviceId: t.globalID({ for: [DeviceRef] }),
    consent: t.field({ type: ConsentInput }),
  }),
});

const EraseLeadPayload = payloadType<boolean>("EraseLeadPayload", (t) => ({
  erased: t.boolean({ resolve: ({ value }) => value ?? false }),
}));

const LeadPayload = payloadType<string>("LeadPayload", (t) => ({
  lead: t.field({ type: LeadRef, nullable: true, resolve: ({ value }) => value }),
}));

const UpsertLeadsPayload = payloadType<UpsertedLeads>("UpsertLeadsPayload", (t) => ({
  leads: t.field({
    type: [LeadRef],
    nullable: { list: false, items: true },
    description: "In the order of the input; null where that row was refused.",
    resolve: ({ value }) => [...(value?.leads ?? [])],
  }),
  created: t.int({ resolve: ({ value }) => value?.created ?? 0 }),
  updated: t.int({ resolve: ({ value }) => value?.updated ?? 0 }),
}));

const TriggerModeEnum = builder.enumType("TriggerMode", { values: TRIGGER_MODES });

const SetLeadTriggersPayload = payloadType<{ affected: number }>("SetLeadTriggersPayload", (t) => ({
  affected: t.int({ description: "How many leads were changed.", resolve: ({ value }) => value?.affected ?? 0 }),
}));

type Id = { readonly id: string } | null | undefined;

/** With the device's bare id; left out where it was. */
const withDeviceId = <Input extends { readonly preferredDeviceId?: Id }>({ preferredDeviceId, ...input }: Input) => ({
  ...input,
  preferredDeviceId: preferredDeviceId && preferredDeviceId.id,
});

builder.mutationFields((t) => ({
  createLead: t.field({
    type: LeadPayload,
    args: { input: t.arg({ type: LeadInput, required: true }), idempotencyKey: t.arg.string() },
    resolve: (_root, { input, idempotencyKey }, context) => payload(createLead(context, withDeviceId(input), idempotencyKey)),
  }),
  updateLead: t.field({
    type: LeadPayload,
    args: { input: t.arg({ type: UpdateLeadInput, required: true }) },
    resolve: (_root, { input: { id, ...input } }, context) => payload(updateLead(context, id.id, withDeviceId(input))),
  }),
  upsertLeads: t.field({
    type: UpsertLeadsPayload,
    description: "Creates or updates by phone, up to 1,000 at once. Never revives an opt-out.",
    args: { input: t.arg({ type: [LeadInput], required: true }), idempotencyKey: t.arg.string() },
    resolve: async (_root, { input, idempotencyKey }, context) => {
      const { value, userErrors } = await payload(upsertLeads(context, input.map(withDeviceId), idempotencyKey));
      // Row by row: what was refused stands beside what was written.
      return { value, userErrors: [...userErrors, ...(value?.errors ?? [])] };
    },
  }),
  setLeadTriggers: t.field({
    type: SetLeadTriggersPayload,
    description: "Changes the triggers of every lead that matches; enrolment follows by itself.",
    args: {
      filter: t.arg({ type: LeadFilterInput, required: true }),
      triggers: t.arg.stringList({ required: true }),
      mode: t.arg({ type: TriggerModeEnum, required: true, defaultValue: "SET" }),
      idempotencyKey: t.arg.string(),
    },
    resolve: (_root, { filter, triggers, mode, idempotencyKey }, context) =>
      payload(setLeadTriggers(context, { filter: leadFilterOf(filter), triggers, mode }, idempotencyKey)),
  }),
  optOutLead: t.field({
    type: LeadPayload,
    args: { id: t.arg.globalID({ required: true, for: LeadRef }), reason: t.arg.string() },
    resolve: (_root, { id, reason }, context) => payload(optOutLead(context, id.id, reason ?? null)),
  }),
  eraseLead: t.field({
    type: EraseLeadPayload,
    description: "Removes the person's data for good; what was sent stays counted. Who had opted out stays so, should the number come back.",
    args: { id: t.arg.globalID({ required: true, for: [LeadRef] }) },
    resolve: (_root, { id }, context) => payload(eraseLead(context, id.id)),
  }),
  optInLead: t.field({
    type: LeadPayload,
    description: "Takes an opt-out back; asks where the person agreed again.",
    args: { id: t.arg.globalID({ required: true, for: LeadRef }), consent: t.arg({ type: ConsentInput, required: true }) },
    resolve: (_root, { id, consent }, context) => payload(optInLead(context, id.id, consent)),
  }),
}));
