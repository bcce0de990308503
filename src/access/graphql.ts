import { builder } from "../graphql/builder.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import type { Greeting } from "../messages/greeting.ts";
import type { QuietHours } from "../sequences/schedule.ts";
import { ApiTokenRef, WorkspaceRef } from "./refs.ts";
import type { TokenScope } from "./scopes.ts";
import type { Access } from "./tokens.ts";
import { releaseFirstContacts, updateWorkspace, type FrequencyCap } from "./workspaces.ts";

export const TokenScopeEnum = builder.enumType("TokenScope", {
  values: {
    READ: { description: "Read everything in the workspace but pairing codes and secrets; subscribe to events." },
    MANAGE: { description: "Also change leads, sequences and campaigns, and send." },
    PAIR: { description: "See pairing codes, pair and log out devices." },
    ADMIN: { description: "Manage tokens and the workspace itself." },
  } as const,
});

const QuietHoursType = builder.objectRef<QuietHours>("QuietHours").implement({
  fields: (t) => ({ start: t.expose("start", { type: "LocalTime" }), end: t.expose("end", { type: "LocalTime" }) }),
});

const FrequencyCapType = builder.objectRef<FrequencyCap>("FrequencyCap").implement({
  fields: (t) => ({ messages: t.exposeInt("messages"), hours: t.exposeInt("hours") }),
});

const GreetingType = builder.objectRef<Greeting>("Greeting").implement({
  description: "Templates for greetings from this time of the recipient's day on.",
  fields: (t) => ({
    from: t.expose("from", { type: "LocalTime" }),
    templates: t.stringList({ resolve: ({ templates }) => [...templates] }),
  }),
});

WorkspaceRef.implement({
  fields: (t) => ({
    name: t.exposeString("name"),
    timeZone: t.expose("timeZone", { type: "TimeZone" }),
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
    greetings: t.field({ type: [GreetingType], resolve: ({ greetings }) => [...greetings] }),
    formOfAddress: t.exposeString("formOfAddress", { description: "What a person without a usable name is called in a greeting." }),
    hourlyCeiling: t.exposeInt("hourlyCeiling", { nullable: true, description: "At most so many attempts an hour over all devices." }),
  }),
});

ApiTokenRef.implement({
  fields: (t) => ({
    name: t.exposeString("name"),
    scopes: t.field({ type: [TokenScopeEnum], resolve: ({ scopes }) => scopes as TokenScope[] }),
    prefix: t.exposeString("prefix", {
      description: "The first characters, enough to recognise it by. The secret is shown once, when it is created.",
    }),
    expiresAt: t.expose("expiresAt", { type: "DateTime", nullable: true }),
    lastUsedAt: t.expose("lastUsedAt", { type: "DateTime", nullable: true }),
    revokedAt: t.expose("revokedAt", { type: "DateTime", nullable: true }),
    createdAt: t.expose("createdAt", { type: "DateTime" }),
  }),
});

const Viewer = builder.objectRef<Access>("Viewer").implement({
  fields: (t) => ({
    workspace: t.field({ type: WorkspaceRef, resolve: ({ workspaceId }) => workspaceId }),
    token: t.field({ type: ApiTokenRef, resolve: ({ tokenId }) => tokenId }),
  }),
});

builder.queryField("viewer", (t) => t.field({ type: Viewer, resolve: (_root, _args, { access }) => access }));

const QuietHoursInput = builder.inputType("QuietHoursInput", {
  fields: (t) => ({ start: t.field({ type: "LocalTime", required: true }), end: t.field({ type: "LocalTime", required: true }) }),
});

const FrequencyCapInput = builder.inputType("FrequencyCapInput", {
  fields: (t) => ({ messages: t.int({ required: true }), hours: t.int({ required: true }) }),
});

const GreetingInput = builder.inputType("GreetingInput", {
  fields: (t) => ({ from: t.field({ type: "LocalTime", required: true }), templates: t.stringList({ required: true }) }),
});

const UpdateWorkspaceInput = builder.inputType("UpdateWorkspaceInput", {
  fields: (t) => ({
    name: t.string(),
    timeZone: t.field({ type: "TimeZone" }),
    defaultCountry: t.string(),
    quietHours: t.field({ type: QuietHoursInput }),
    frequencyCap: t.field({ type: FrequencyCapInput }),
    requireConsent: t.boolean({
      description: "What waits for a lead without a recorded consent is skipped (NO_CONSENT). Its triggers enrol it by themselves once its consent is recorded, or none is required.",
    }),
    stopWords: t.stringList({
      description:
        "1 to 50 words or short phrases. Upper and lower case, punctuation and emoji make no difference, and a polite word beside one (please, tolong) does not hide it.",
    }),
    stopConfirmation: t.string({ description: "At most 1,000 characters; null for none." }),
    greetings: t.field({ type: [GreetingInput], description: "The whole list. The last greeting of a day holds until the first of the next." }),
    formOfAddress: t.string({ description: "1 to 50 characters. Said where a lead's name has no letters: none at all, or a phone number." }),
    hourlyCeiling: t.int(),
  }),
});

const WorkspacePayload = payloadType<string>("WorkspacePayload", (t) => ({
  workspace: t.field({ type: WorkspaceRef, nullable: true, resolve: ({ value }) => value }),
}));

builder.mutationField("updateWorkspace", (t) =>
  t.field({
    type: WorkspacePayload,
    description: "Needs ADMIN.",
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
