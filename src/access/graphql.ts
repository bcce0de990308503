import { builder } from "../graphql/builder.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import type { Greeting } from "../messages/greeting.ts";
import type { QuietHours } from "../sequences/schedule.ts";
import { ApiTokenRef, WorkspaceRef } from "./refs.ts";
import type { TokenScope } from "./scopes.ts";
import type { Access } from "./tokens.ts";
import { releaseFirstContacts, updateWorkspace, type FrequencyCap } from "./workspaces.ts";

export const TokenScopeEnum = builder.enumType("TokenScope", {
  description: "What a token allows.",
  values: {
    READ: { description: "Read everything in the workspace but pairing codes and secrets; subscribe to events." },
    MANAGE: { description: "Also change leads, sequences and campaigns, and send." },
    PAIR: { description: "See pairing codes, pair and log out devices." },
    ADMIN: { description: "Manage tokens and the workspace itself." },
  } as const,
});

const QuietHoursType = builder.objectRef<QuietHours>("QuietHours").implement({
  description: "Hours in which nobody is written to, by the clock of each recipient's own time zone.",
  fields: (t) => ({
    start: t.expose("start", { type: "LocalTime", description: "When they begin." }),
    end: t.expose("end", { type: "LocalTime", description: "When they end. Where it is before the start, they last over midnight." }),
  }),
});

const FrequencyCapType = builder.objectRef<FrequencyCap>("FrequencyCap").implement({
  description: "How many messages one person may get in how many hours.",
  fields: (t) => ({
    messages: t.exposeInt("messages", { description: "At most so many messages." }),
    hours: t.exposeInt("hours", { description: "In any so many hours." }),
  }),
});

const GreetingType = builder.objectRef<Greeting>("Greeting").implement({
  description: "Templates for greetings from this time of the recipient's day on.",
  fields: (t) => ({
    from: t.expose("from", {
      type: "LocalTime",
      description: "From this time of the recipient's day on, until the next greeting begins; the last one of a day holds until the first of the next.",
    }),
    templates: t.stringList({ description: "One of them is drawn for each message.", resolve: ({ templates }) => [...templates] }),
  }),
});

WorkspaceRef.implement({
  description: "A tenant: leads, devices, sequences and campaigns of its own, apart from every other workspace.",
  fields: (t) => ({
    name: t.exposeString("name", { description: "What it is called." }),
    timeZone: t.expose("timeZone", { type: "TimeZone", description: "The zone of leads and sequences that have none of their own." }),
    defaultCountry: t.exposeString("defaultCountry", { description: "ISO 3166-1 alpha-2: how national phone numbers are read." }),
    quietHours: t.field({
      type: QuietHoursType,
      nullable: true,
      description: "No message is sent to a person inside these hours of that person's own time zone.",
      resolve: ({ quietStart, quietEnd }) => (quietStart !== null && quietEnd !== null ? { start: quietStart, end: quietEnd } : null),
    }),
    frequencyCap: t.field({
      type: FrequencyCapType,
      nullable: true,
      description: "At most so many messages to one person in so many hours, over all sequences and campaigns.",
      resolve: ({ capMessages, capHours }) => (capMessages !== null && capHours !== null ? { messages: capMessages, hours: capHours } : null),
    }),
    requireConsent: t.exposeBoolean("requireConsent", { description: "Send only to leads whose consent is recorded." }),
    stopWords: t.exposeStringList("stopWords", { description: "Incoming words that opt out." }),
    firstContactsHeldAt: t.expose("firstContactsHeldAt", {
      type: "DateTime",
      nullable: true,
      description: "Since when nobody is written to who has not written before, because more than a tenth of its WhatsApp devices were restricted. See releaseFirstContacts.",
    }),
    stopConfirmation: t.exposeString("stopConfirmation", {
      nullable: true,
      description: "What a person is answered, once, who has opted out by a stop word. Null: nothing.",
    }),
    greetings: t.field({
      type: [GreetingType],
      description: "What messages begin with where greeting is set, by the time of the recipient's day.",
      resolve: ({ greetings }) => [...greetings],
    }),
    formOfAddress: t.exposeString("formOfAddress", { description: "What a person without a usable name is called in a greeting." }),
    hourlyCeiling: t.exposeInt("hourlyCeiling", { nullable: true, description: "At most so many attempts an hour over all devices." }),
    maxSendingDevices: t.exposeInt("maxSendingDevices", {
      nullable: true,
      description: "At most so many devices send, the oldest first; the others are held back (Device.isHeldBack). Null: all of them send.",
    }),
    enrollmentPercent: t.exposeInt("enrollmentPercent", { description: "What share of the leads their triggers enrol, in percent: always the same leads. The others are enrolled by themselves once it is raised." }),
  }),
});

ApiTokenRef.implement({
  description: "What a client calls the API with, in one workspace.",
  fields: (t) => ({
    name: t.exposeString("name", { description: "What it is for." }),
    scopes: t.field({ type: [TokenScopeEnum], description: "What it allows.", resolve: ({ scopes }) => scopes as TokenScope[] }),
    prefix: t.exposeString("prefix", {
      description: "The first characters, enough to recognise it by. The secret is shown once, when it is created.",
    }),
    expiresAt: t.expose("expiresAt", { type: "DateTime", nullable: true, description: "From then on it is refused. Null: it does not expire." }),
    lastUsedAt: t.expose("lastUsedAt", { type: "DateTime", nullable: true, description: "When it was last used, to about a minute. Null where it never was." }),
    revokedAt: t.expose("revokedAt", { type: "DateTime", nullable: true, description: "Since when it is refused for good. Null while it is not revoked." }),
    createdAt: t.expose("createdAt", { type: "DateTime" }),
  }),
});

const Viewer = builder.objectRef<Access>("Viewer").implement({
  description: "Who calls.",
  fields: (t) => ({
    workspace: t.field({ type: WorkspaceRef, description: "The workspace that the token belongs to.", resolve: ({ workspaceId }) => workspaceId }),
    token: t.field({ type: ApiTokenRef, description: "The token that the request was made with.", resolve: ({ tokenId }) => tokenId }),
  }),
});

builder.queryField("viewer", (t) =>
  t.field({
    type: Viewer,
    description: "Who calls: the token that the request was made with, and its workspace.",
    resolve: (_root, _args, { access }) => access,
  }),
);

const QuietHoursInput = builder.inputType("QuietHoursInput", {
  description: "Hours in which nobody is written to, by the clock of each recipient's own time zone.",
  fields: (t) => ({
    start: t.field({ type: "LocalTime", required: true, description: "When they begin." }),
    end: t.field({
      type: "LocalTime",
      required: true,
      description: "When they end; it must differ from the start. Where it is before the start, they last over midnight.",
    }),
  }),
});

const FrequencyCapInput = builder.inputType("FrequencyCapInput", {
  description: "How many messages one person may get in how many hours.",
  fields: (t) => ({
    messages: t.int({ required: true, description: "At most so many messages, from 1 to 100." }),
    hours: t.int({ required: true, description: "In any so many hours, from 1 to 8,760." }),
  }),
});

const GreetingInput = builder.inputType("GreetingInput", {
  description: "Templates for greetings from this time of the recipient's day on; no two begin at the same.",
  fields: (t) => ({
    from: t.field({ type: "LocalTime", required: true, description: "From this time of the recipient's day on, until the next greeting begins." }),
    templates: t.stringList({
      required: true,
      description: "1 to 20 templates, such as 'Selamat pagi {{name}}', of at most 200 characters each. One is drawn for each message.",
    }),
  }),
});

const UpdateWorkspaceInput = builder.inputType("UpdateWorkspaceInput", {
  description: "What is to be changed of the workspace. What is left out stays as it is.",
  fields: (t) => ({
    name: t.string(),
    timeZone: t.field({ type: "TimeZone", description: "The zone of leads and sequences that have none of their own." }),
    defaultCountry: t.string({ description: "ISO 3166-1 alpha-2 in capitals, such as MY: how national phone numbers are read from now on." }),
    quietHours: t.field({
      type: QuietHoursInput,
      description: "No message is sent to a person inside these hours of that person's own time zone. Null for none. Refused where an active sequence could never send again.",
    }),
    frequencyCap: t.field({
      type: FrequencyCapInput,
      description: "At most so many messages to one person in so many hours, over all sequences and campaigns. Null for no cap.",
    }),
    requireConsent: t.boolean({
      description: "What waits for a lead without a recorded consent is skipped (NO_CONSENT). Its triggers enrol it by themselves once its consent is recorded, or none is required.",
    }),
    stopWords: t.stringList({
      description:
        "1 to 50 words or short phrases. Upper and lower case, punctuation and emoji make no difference, and a polite word beside one (please, tolong) does not hide it.",
    }),
    stopConfirmation: t.string({ description: "At most 1,000 characters; null for none." }),
    greetings: t.field({ type: [GreetingInput], description: "The whole list, of 1 to 24. The last greeting of a day holds until the first of the next." }),
    formOfAddress: t.string({ description: "1 to 50 characters. Said where a lead's name has no letters: none at all, or a phone number." }),
    hourlyCeiling: t.int({ description: "At most so many attempts in any hour over all devices, 1 or more. Null for no ceiling." }),
    maxSendingDevices: t.int({ description: "At most so many devices send, the oldest first, 0 or more; the others stay connected and are held back. Those that an operator has paused do not count. Null lets all of them send." }),
    enrollmentPercent: t.int({ description: "What share of the leads their triggers enrol, 0 to 100: always the same leads. Those that carry a trigger already are enrolled by themselves when it is raised; who is enrolled stays enrolled when it is lowered." }),
  }),
});

const WorkspacePayload = payloadType<string>("WorkspacePayload", (t) => ({
  workspace: t.field({
    type: WorkspaceRef,
    nullable: true,
    description: "The workspace as it is now. Null where the call was refused.",
    resolve: ({ value }) => value,
  }),
}));

builder.mutationField("updateWorkspace", (t) =>
  t.field({
    type: WorkspacePayload,
    description: "Needs ADMIN. Changes the settings that are given, for all that is not attempted yet. Null clears quietHours, frequencyCap, hourlyCeiling and stopConfirmation.",
    authScopes: { admin: true },
    args: { input: t.arg({ type: UpdateWorkspaceInput, required: true }) },
    resolve: (_root, { input }, context) => payload(updateWorkspace(context, input)),
  }),
);

builder.mutationField("releaseFirstContacts", (t) =>
  t.field({
    type: WorkspacePayload,
    description:
      "Needs ADMIN. Lets first contacts go on after a hold (SYSTEM_HOLD), once somebody has looked at why devices were restricted. Those that are restricted still keep their own; another device that becomes restricted brings the hold back.",
    authScopes: { admin: true },
    resolve: (_root, _args, context) => payload(releaseFirstContacts(context)),
  }),
);
