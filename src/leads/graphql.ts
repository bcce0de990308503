import { DeviceRef } from "../devices/refs.ts";
import { flowsOfLead, FlowConnection, FlowFilterInput, FlowOrderInput } from "../flows/refs.ts";
import { builder } from "../graphql/builder.ts";
import { connection, connectionType, pageOf } from "../graphql/connections.ts";
import { describedEnum } from "../graphql/described-enum.ts";
import { badUserInput } from "../graphql/errors.ts";
import { perRequest } from "../graphql/loaders.ts";
import { OrderDirectionEnum } from "../graphql/types.ts";
import type { Result } from "../lib/errors.ts";
import { EnrollmentConnection, EnrollmentRef, enrollmentsOfLead } from "../sequences/refs.ts";
import "./import-graphql.ts";
import { countLeads, LEAD_ORDERS, leadByPhone, leadOrder, listLeads } from "./list.ts";
import "./mutations.ts";
import { LeadFilterInput, leadFilterOf, LeadRef } from "./refs.ts";
import { TRIGGER_STATE_KINDS, triggerStates, type TriggerState } from "./trigger-states.ts";
import { parseTriggers } from "./triggers.ts";

const TriggerStateKind = describedEnum("TriggerStateKind", "What became of a trigger that is set on a lead, or why nothing did.", TRIGGER_STATE_KINDS, {
  QUEUED: "It enrols the lead within the next cycle, or once a change of its sequence is checked.",
  ENROLLED: "The lead is in its sequence now, by this trigger or another one. When the enrolment ends, its trigger is taken off.",
  NO_SUCH_STEP: "No step has this trigger. Once an entry step has it, the lead is enrolled by itself.",
  NOT_ENTRY_POINT: "The step with this trigger is no entry point.",
  SEQUENCE_NOT_ACTIVE: "Its sequence is a draft, paused or archived, or enrols nobody until its problems are mended.",
  OPTED_OUT: "The person has opted out. optInLead enrols them, once they have agreed again.",
  NOT_ADMITTED: "The workspace enrols only a part of its leads for now (enrollmentPercent). The lead is enrolled by itself once its turn has come.",
  NO_CONSENT: "The workspace wants a recorded consent, and the lead has none. Once it is recorded, the lead is enrolled by itself.",
});

const TriggerStateType = builder.objectRef<TriggerState>("TriggerState").implement({
  description: "What became of a trigger that is set on a lead.",
  fields: (t) => ({
    trigger: t.exposeString("trigger", { description: "The word that is set on the lead." }),
    state: t.expose("state", { type: TriggerStateKind, description: "Whether it has enrolled the lead, or why not." }),
    message: t.exposeString("message", { description: "The same as a sentence, with what to do about it." }),
    enrollment: t.field({
      type: EnrollmentRef,
      nullable: true,
      description: "The open enrolment that it, or another trigger of the same sequence, has led to. Null where there is none.",
      resolve: ({ enrollmentId }) => enrollmentId,
    }),
  }),
});

const ConsentType = builder.objectRef<{ readonly source: string; readonly at: Date }>("Consent").implement({
  description: "Where and when a person agreed to get messages.",
  fields: (t) => ({
    source: t.exposeString("source", { description: "Where the person agreed, such as 'web form 2026-10-01' or 'in store'." }),
    at: t.expose("at", { type: "DateTime", description: "When the person agreed." }),
  }),
});

const statesOf = perRequest<string, TriggerState[]>(async (ids, { db }) => {
  const states = await triggerStates(db, ids);
  return ids.map((id) => states.get(id) ?? []);
});

LeadRef.implement({
  description: "A person who may be messaged.",
  fields: (t) => ({
    phone: t.expose("phone", { type: "PhoneNumber", description: "The number, by which a lead is known: no two leads of a workspace have the same." }),
    name: t.exposeString("name", { nullable: true, description: "The person's name, if it is known." }),
    niche: t.exposeString("niche", { nullable: true, description: "What the person is interested in, as one word or phrase, to choose leads by." }),
    triggers: t.stringList({
      description: "The triggers set on the lead now, in order.",
      resolve: ({ trigger }) => parseTriggers(trigger ?? ""),
    }),
    triggerStates: t.field({
      type: [TriggerStateType],
      description: "What became of each of them: enrolled, or why not.",
      resolve: ({ id }, _args, context) => statesOf(context).load(id),
    }),
    attributes: t.expose("attributes", { type: "JSONObject", description: "What templates may use beside name and phone." }),
    timeZone: t.expose("timeZone", {
      type: "TimeZone",
      nullable: true,
      description: "The lead's own zone. Where null, that of the sequence holds, else the workspace's.",
    }),
    preferredDevice: t.field({
      type: DeviceRef,
      nullable: true,
      description: "The device this lead is written from while it has fewer than 50 messages in the hour.",
      resolve: ({ preferredDeviceId }) => preferredDeviceId,
    }),
    consent: t.field({
      type: ConsentType,
      nullable: true,
      description: "Where and when the person agreed. Null where that is not recorded.",
      resolve: ({ consentSource, consentAt }) => (consentSource !== null && consentAt ? { source: consentSource, at: consentAt } : null),
    }),
    optedOutAt: t.expose("optedOutAt", {
      type: "DateTime",
      nullable: true,
      description: "When this person opted out, if they did. Nothing is sent from then on.",
    }),
    lastRepliedAt: t.expose("lastRepliedAt", {
      type: "DateTime",
      nullable: true,
      description: "When the person last wrote to one of the workspace's devices. Null where that never happened.",
    }),
    enrollments: t.field({
      type: EnrollmentConnection,
      description: "Its ways through sequences, open and ended, the newest first.",
      args: t.arg.connectionArgs(),
      resolve: ({ id }, args, context) => enrollmentsOfLead(context, id, args),
    }),
    flows: t.field({
      type: FlowConnection,
      description: "Messages to this person, of sequences and campaigns.",
      args: {
        ...t.arg.connectionArgs(),
        filter: t.arg({ type: FlowFilterInput }),
        orderBy: t.arg({ type: FlowOrderInput, description: "The list's order; the newest first where it is left out." }),
      },
      resolve: ({ id }, args, context) => flowsOfLead(context, id, args),
    }),
    createdAt: t.expose("createdAt", { type: "DateTime" }),
  }),
});

const LeadConnection = connectionType("Lead", LeadRef, "estimated");

const LeadOrderField = describedEnum("LeadOrderField", "What leads can be ordered by.", LEAD_ORDERS, {
  CREATED_AT: "When it was made.",
  NAME: "Its name. Who has none comes before all who have.",
  LAST_REPLIED_AT: "When the person last wrote back. Who never did comes before all who have.",
});

const LeadOrderInput = builder.inputType("LeadOrder", {
  fields: (t) => ({
    field: t.field({ type: LeadOrderField, required: true }),
    direction: t.field({ type: OrderDirectionEnum, required: true }),
  }),
});

/** A query has no userErrors: what is wrong with its filter is wrong with the request. */
function valueOf<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw badUserInput(result.errors.map(({ field, message }) => `${field?.join(".") ?? "filter"}: ${message}`).join(" "));
}

builder.queryFields((t) => ({
  lead: t.field({
    type: LeadRef,
    nullable: true,
    description: "The lead with this id or this number: give one of the two. Null where there is none.",
    args: {
      id: t.arg.globalID({ for: LeadRef, description: "Which one; or give phone." }),
      phone: t.arg({ type: "PhoneNumber", description: "Its number; or give id." }),
    },
    resolve: async (_root, { id, phone }, { db }) => {
      if (id && phone == null) return id.id;
      if (id || phone == null) throw badUserInput("Give either `id` or `phone`.");
      const found = await leadByPhone(db, phone);
      if ("problem" in found) throw badUserInput(`${found.problem}.`);
      return found.lead;
    },
  }),
  leads: t.field({
    type: LeadConnection,
    description: "The workspace's leads.",
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: LeadFilterInput }),
      orderBy: t.arg({ type: LeadOrderInput, description: "The list's order; the oldest first where it is left out." }),
    },
    resolve: async (_root, { filter, orderBy, ...args }, { db }) => {
      const order = leadOrder(orderBy?.field ?? "CREATED_AT", orderBy?.direction === "DESC");
      const wanted = leadFilterOf(filter);
      const slice = valueOf(await listLeads(db, wanted, pageOf(args, order), order));
      return connection(slice, order, async () => valueOf(await countLeads(db, wanted)));
    },
  }),
}));
