import { DeviceRef } from "../devices/refs.ts";
import { builder } from "../graphql/builder.ts";
import { describedEnum } from "../graphql/described-enum.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import { eraseLead } from "./erase.ts";
import { optInLead, optOutLead } from "./opt-out.ts";
import { LeadFilterInput, leadFilterOf, LeadRef } from "./refs.ts";
import { createLead, updateLead } from "./service.ts";
import { setLeadTriggers, TRIGGER_MODES } from "./set-triggers.ts";
import { upsertLeads, type UpsertedLeads } from "./upsert.ts";

export const ConsentInput = builder.inputType("ConsentInput", {
  description: "Where and when a person agreed to get messages: yours to record truthfully.",
  fields: (t) => ({
    source: t.string({ required: true, description: "Where the person agreed, such as 'web form 2026-10-01' or 'in store', in 1 to 200 characters." }),
    at: t.field({ type: "DateTime", required: true, description: "When the person agreed." }),
  }),
});

const LeadInput = builder.inputType("LeadInput", {
  description: "A lead to be made or, by upsertLeads, changed: then what is left out stays as it is, and null clears.",
  fields: (t) => ({
    phone: t.field({ type: "PhoneNumber", required: true }),
    name: t.string({ description: "The person's name, in at most 200 characters. Null or empty for none." }),
    niche: t.string(),
    triggers: t.stringList(),
    attributes: t.field({ type: "JSONObject", description: "Those that are not named stay as they are; one that is null is removed." }),
    timeZone: t.field({ type: "TimeZone", description: "The person's own zone. Null: that of the sequence holds, else the workspace's." }),
    preferredDeviceId: t.globalID({ for: [DeviceRef] }),
    consent: t.field({ type: ConsentInput }),
  }),
});

const UpdateLeadInput = builder.inputType("UpdateLeadInput", {
  description: "What is to be changed of a lead. What is left out stays as it is; null clears.",
  fields: (t) => ({
    id: t.globalID({ required: true, for: [LeadRef] }),
    phone: t.field({ type: "PhoneNumber" }),
    name: t.string({ description: "The person's name, in at most 200 characters. Null or empty for none." }),
    niche: t.string(),
    triggers: t.stringList(),
    attributes: t.field({ type: "JSONObject", description: "Those that are not named stay as they are; one that is null is removed." }),
    timeZone: t.field({ type: "TimeZone", description: "The person's own zone. Null: that of the sequence holds, else the workspace's." }),
    preferredDeviceId: t.globalID({ for: [DeviceRef] }),
    consent: t.field({ type: ConsentInput }),
  }),
});

const EraseLeadPayload = payloadType<boolean>("EraseLeadPayload", (t) => ({
  erased: t.boolean({ description: "Whether the person's data are gone; true also where they were before.", resolve: ({ value }) => value ?? false }),
}));

const LeadPayload = payloadType<string>("LeadPayload", (t) => ({
  lead: t.field({ type: LeadRef, nullable: true, description: "The lead as it is now. Null where the call was refused.", resolve: ({ value }) => value }),
}));

const UpsertLeadsPayload = payloadType<UpsertedLeads>(
  "UpsertLeadsPayload",
  (t) => ({
    leads: t.field({
      type: [LeadRef],
      nullable: { list: false, items: true },
      description: "In the order of the input; null where that row was refused.",
      resolve: ({ value }) => [...(value?.leads ?? [])],
    }),
    created: t.int({ description: "How many leads were made.", resolve: ({ value }) => value?.created ?? 0 }),
    updated: t.int({
      description: "Rows of leads that were there already, also where an earlier row of the call had made them.",
      resolve: ({ value }) => value?.updated ?? 0,
    }),
  }),
  "What the caller has to mend, row by row: a row with an error was not written, the others were.",
);

const TriggerModeEnum = describedEnum("TriggerMode", "What is done with triggers that are given.", TRIGGER_MODES, {
  SET: "They take the place of those that the lead has.",
  ADD: "They are added to those that the lead has.",
  REMOVE: "They are taken off the lead; others stay.",
});

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
    description: "Makes a lead. A number that another lead has is refused (TAKEN); upsertLeads changes that one instead. Its triggers enrol it within the next cycle.",
    args: { input: t.arg({ type: LeadInput, required: true }), idempotencyKey: t.arg.string() },
    resolve: (_root, { input, idempotencyKey }, context) => payload(createLead(context, withDeviceId(input), idempotencyKey)),
  }),
  updateLead: t.field({
    type: LeadPayload,
    description: "Changes a lead. What is left out stays as it is; null clears. Who has opted out gets no other number or consent by it.",
    args: { input: t.arg({ type: UpdateLeadInput, required: true }) },
    resolve: (_root, { input: { id, ...input } }, context) => payload(updateLead(context, id.id, withDeviceId(input))),
  }),
  upsertLeads: t.field({
    type: UpsertLeadsPayload,
    description: "Creates or updates by phone, up to 1,000 at once. Never revives an opt-out.",
    args: {
      input: t.arg({
        type: [LeadInput],
        required: true,
        description: "The leads, at most 1,000. What is left out of one stays as it is; who has opted out keeps triggers and consent as they were.",
      }),
      idempotencyKey: t.arg.string(),
    },
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
      filter: t.arg({ type: LeadFilterInput, required: true, description: "Which leads; with {} all of the workspace." }),
      triggers: t.arg.stringList({ required: true, description: "The words. With SET none at all clears the leads' lists; taking a word off ends no enrolment." }),
      mode: t.arg({ type: TriggerModeEnum, required: true, defaultValue: "SET", description: "What is done with the triggers." }),
      idempotencyKey: t.arg.string(),
    },
    resolve: (_root, { filter, triggers, mode, idempotencyKey }, context) =>
      payload(setLeadTriggers(context, { filter: leadFilterOf(filter), triggers, mode }, idempotencyKey)),
  }),
  optOutLead: t.field({
    type: LeadPayload,
    description: "Opts the person out at once, of all sequences and campaigns: what waits for them is skipped, and enrolments stop. Only optInLead takes it back.",
    args: { id: t.arg.globalID({ required: true, for: LeadRef }), reason: t.arg.string({ description: "Why, in your own words, at most 500 characters." }) },
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
    args: {
      id: t.arg.globalID({ required: true, for: LeadRef }),
      consent: t.arg({ type: ConsentInput, required: true, description: "Where and when the person agreed again: after the opt-out, and not in the future." }),
    },
    resolve: (_root, { id, consent }, context) => payload(optInLead(context, id.id, consent)),
  }),
}));
