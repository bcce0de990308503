import { builder } from "../graphql/builder.ts";
import { badUserInput } from "../graphql/errors.ts";
import { LeadRef } from "../leads/refs.ts";
import type { Period } from "./capacity.ts";
import { SequenceRef, SequenceStepRef, StepBranch } from "./refs.ts";
import { type SimulatedMessage, simulateSequence, type Simulation } from "./simulate.ts";

const SimulatedLeadInput = builder.inputType("SimulatedLeadInput", {
  description: "Somebody who is no lead yet, and has agreed to get messages.",
  fields: (t) => ({
    name: t.string({ description: "The person's name. Nobody's where it is left out." }),
    niche: t.string({ description: "What the person is interested in, for templates and branches." }),
    attributes: t.field({ type: "JSONObject", description: 'What templates and branches may use, such as {"city": "Ipoh"}.' }),
    timeZone: t.field({ type: "TimeZone", description: "The sequences' where it is left out, else the workspace's." }),
  }),
});

const SimulationAssumptionInput = builder.inputType("SimulationAssumptionInput", {
  description: "What the person does between a step's message and the next. Nothing, where nothing is assumed.",
  fields: (t) => ({
    trigger: t.string({ required: true, description: "The step's." }),
    replied: t.boolean({ required: true, defaultValue: false, description: "The person writes back." }),
    read: t.boolean({ required: true, defaultValue: false, description: "The person reads the message." }),
  }),
});

const SimulationEnd = builder.enumType("SimulationEnd", {
  description: "How the lead's way ends in a simulation.",
  values: {
    COMPLETED: { description: "It comes to the end of the last sequence." },
    REPLIED: { description: "It is assumed to reply, and the sequence stops on a reply." },
    SPAN_OVER: { description: "It goes on after the span." },
    TOO_MANY_MESSAGES: { description: "It is longer than 1,000 messages, or leads in a loop." },
    NEVER_OPEN: { description: "Quiet hours cover the sequence's window." },
    OPTED_OUT: { description: "The lead has opted out: it would be sent nothing." },
    NO_CONSENT: { description: "The workspace wants a recorded consent, and the lead has none." },
  } as const,
});

const SimulatedMessageType = builder.objectRef<SimulatedMessage>("SimulatedMessage").implement({
  description: "A message that the lead would be sent.",
  fields: (t) => ({
    step: t.field({ type: SequenceStepRef, description: "The step that it is of.", resolve: ({ step }) => step.id }),
    sequence: t.field({
      type: SequenceRef,
      description: "The sequence that the step belongs to: this one, or one that it leads on to.",
      resolve: ({ sequence }) => sequence.id,
    }),
    branch: t.field({ type: StepBranch, nullable: true, description: "The branch of the step before that led here.", resolve: ({ branch }) => branch }),
    dueAt: t.expose("dueAt", { type: "DateTime", description: "When it is due; sendAt says when it can go out." }),
    sendAt: t.expose("sendAt", { type: "DateTime", description: "When it goes out if a device is free: not before the window opens, the quiet hours end and the frequency cap has room." }),
    windowClosesAt: t.expose("until", { type: "DateTime", nullable: true, description: "What has not gone out by then waits for the next window. Null where the window never closes." }),
    text: t.exposeString("text", { nullable: true, description: "With the greeting. Of texts that vary, one of them. Null where it cannot be rendered for this lead." }),
    problem: t.exposeString("problem", { nullable: true, description: "Why it cannot be rendered; it would fail with TEMPLATE_ERROR." }),
    missing: t.stringList({ description: "Placeholders that the lead has no value for.", resolve: ({ missing }) => [...missing] }),
    variant: t.exposeString("variant", { nullable: true, description: "The step's variant that the lead gets; null for the step's own text." }),
  }),
});

const SimulatedPeriod = builder.objectRef<Period>("SimulatedPeriod").implement({
  description: "A window of a sequence with a time of day, or a day (24 hours) of another.",
  fields: (t) => ({
    sequence: t.field({ type: SequenceRef, description: "The sequence whose messages are due in it.", resolve: ({ sequenceId }) => sequenceId }),
    from: t.field({ type: "DateTime", description: "When it begins.", resolve: ({ from }) => new Date(from) }),
    until: t.field({ type: "DateTime", description: "When it ends.", resolve: ({ until }) => new Date(until) }),
    due: t.exposeFloat("due", { description: "Messages, with what the period before left over." }),
    taken: t.exposeFloat("taken", { description: "Of these, as many as the devices send in it." }),
    capacity: t.exposeFloat("capacity", { description: "How many the devices could send in it at the most." }),
    missingDevices: t.exposeInt("missingDevices", { description: "To send all that is due, so many more." }),
  }),
});

const SimulatedCapacity = builder.objectRef<Simulation["capacity"]>("SimulatedCapacity").implement({
  description: "What the workspace's present devices can send, had they nothing else to do, if so many leads begin at once and go the same way.",
  fields: (t) => ({
    leads: t.exposeInt("leads", { description: "How many leads are taken to begin at once." }),
    devices: t.exposeInt("devices", { description: "Those that are not paused and can come online by themselves." }),
    finishesAt: t.field({
      type: "DateTime",
      nullable: true,
      description: "When the last of them has the last message. Null where that is not within the span.",
      resolve: ({ finishesAt }) => (finishesAt === null ? null : new Date(finishesAt)),
    }),
    missingDevices: t.exposeInt("missingDevices", { description: "For each message to go out in the window, or within the day, in which it is due: so many more." }),
    isCeilingInTheWay: t.exposeBoolean("isCeilingInTheWay", { description: "More devices alone would not help: the workspace's hourly ceiling is too low." }),
    periods: t.field({ type: [SimulatedPeriod], description: "In the order of time; at most 1,000.", resolve: ({ periods }) => periods.slice(0, 1000) }),
  }),
});

const SequenceSimulation = builder.objectRef<Simulation>("SequenceSimulation").implement({
  description: "What a lead would be sent, when, and whether the devices could.",
  fields: (t) => ({
    messages: t.field({ type: [SimulatedMessageType], description: "What it would be sent, in order.", resolve: ({ messages }) => [...messages] }),
    end: t.field({ type: SimulationEnd, description: "How the lead's way ends.", resolve: ({ end }) => end }),
    finishesAt: t.field({
      type: "DateTime",
      nullable: true,
      description: "When the last message goes out if devices are free. Null where none does.",
      resolve: ({ messages }) => messages.at(-1)?.sendAt ?? null,
    }),
    capacity: t.field({ type: SimulatedCapacity, description: "Whether the devices could send as much as so many leads need.", resolve: ({ capacity }) => capacity }),
  }),
});

builder.queryField("simulateSequence", (t) =>
  t.field({
    type: SequenceSimulation,
    description: "What a lead that is enrolled now, or at another time, would be sent, and when: reckoned as the dispatcher does, without sending. Also of a sequence that is not active yet.",
    args: {
      sequenceId: t.arg.globalID({ required: true, for: SequenceRef, description: "The sequence that the lead begins with. It must not be archived." }),
      trigger: t.arg.string({ description: "Of the entry step; the first one's where it is left out." }),
      leadId: t.arg.globalID({ for: LeadRef, description: "One that there is. As if it were enrolled anew, whatever it is enrolled in." }),
      lead: t.arg({ type: SimulatedLeadInput, description: "One that there might be. Nobody in particular where both are left out." }),
      assumptions: t.arg({
        type: [SimulationAssumptionInput],
        required: true,
        defaultValue: [],
        description: "What the person does after which steps, at most 1,000. Nothing, where they are left out.",
      }),
      from: t.arg({ type: "DateTime", description: "When it is enrolled. Now where it is left out." }),
      days: t.arg.int({ required: true, defaultValue: 365, description: "The span, at most 3,650." }),
      leads: t.arg.int({ required: true, defaultValue: 1, description: "How many begin at once, for the capacity; at most 10,000,000." }),
    },
    resolve: async (_root, { sequenceId, leadId, lead, ...args }, { db, minStepDelayHours }) => {
      if (leadId && lead) throw badUserInput("Name a lead that there is (leadId), or describe one that there might be (lead), not both.");
      const person = { name: lead?.name ?? null, phone: "", niche: lead?.niche ?? null, attributes: lead?.attributes ?? {}, timeZone: lead?.timeZone ?? null };
      const input = { ...args, trigger: args.trigger ?? null, from: args.from ?? null, sequenceId: sequenceId.id, leadId: leadId?.id ?? null, person };
      const result = await simulateSequence(db, input, minStepDelayHours);
      if (!result.ok) throw badUserInput(result.errors.map(({ message }) => message).join(" "));
      return result.value;
    },
  }),
);
