// What means the same wherever it stands is described once, here; everything else where it is defined.

import { type GraphQLArgument, type GraphQLNamedType, type GraphQLSchema, isEnumType, isInputObjectType, isInterfaceType, isObjectType } from "graphql";

type Words = Readonly<Record<string, string>>;

const IDEMPOTENCY_KEY =
  "A value of your own, such as a UUID, of at most 200 characters. A repeat with the same key and the same input has no further effect, and gets the first answer again.";
const MIN_DELAY = "The shortest pause of a device before one of these messages, in seconds, 0 to 86,400; each pause is drawn between the two.";
const MAX_DELAY = "The longest pause of a device before one of these messages, in seconds, 0 to 86,400.";

const FIELDS: Words = {
  createdAt: "When it was made.",
  userErrors: "What the caller has to mend. Where there is any, nothing was changed.",
  greeting: "Whether the message begins with a greeting for the recipient's time of day.",
  visibleVariation: "Whether punctuation and case are varied, visibly, from message to message.",
  minDelaySeconds: MIN_DELAY,
  maxDelaySeconds: MAX_DELAY,
  variants: "Texts that stand in for its own, each for a share of the leads.",
};

const CONNECTION_FIELDS: Words = {
  edges: "The rows of this page, each with its cursor.",
  nodes: "The rows of this page.",
  pageInfo: "Whether there is more before and behind this page.",
  totalCount: "How many rows there are on all pages together.",
};

const EDGE_FIELDS: Words = {
  cursor: "The row's place in the list, for `after` and `before`.",
  node: "The row itself.",
};

const INPUT_FIELDS: Words = {
  id: "What is to be changed.",
  idempotencyKey: IDEMPOTENCY_KEY,
  name: "What it is called, in 1 to 200 characters.",
  greeting: "Begin the message with a greeting for the recipient's time of day.",
  visibleVariation: "Vary punctuation and case, visibly, from message to message.",
  minDelaySeconds: MIN_DELAY,
  maxDelaySeconds: MAX_DELAY,
  text: "A template of at most 4,096 characters: {{name}} is filled in, and one of {Hi|Hello} chosen.",
  field: "What the list is ordered by.",
  direction: "Which end comes first.",

  // Of a lead.
  phone: "Its number, by which a lead is known: no two leads of a workspace have the same.",
  niche: "What the person is interested in, as one word or phrase of at most 100 characters, to choose leads by. Null or empty for none.",
  triggers: "Words that enrol the lead, each in the sequence that has an entry step with it: the whole list, of at most 1,000 characters with the commas between them.",
  consent: "Where and when the person agreed. Null takes the record away.",
  preferredDeviceId: "The device that the lead is written from while it has fewer than 50 messages in the hour. Null: the one that was used last.",

  // Of a device.
  hourlyLimit: "At most so many attempts in any 60 minutes, from 1 to 100,000.",
  dailyLimit: "At most so many attempts in any 24 hours, from 1 to 100,000.",

  rampDays: "Over so many days, from its first time online on, its limits grow to the whole, as much more each day: 0 to 90, 0 for none.",

  // Of a sequence.
  triggerPrefix: "What its triggers begin with, of at most 100 characters: a note for people, which nothing is checked against. Null for none.",
  scheduleTime: "The time of day from which its messages go out, for scheduleToleranceMinutes, in the lead's time zone. Null: at any time.",
  scheduleToleranceMinutes: "How long its messages go out from scheduleTime on, in minutes, 1 to 1,440. What is not sent by then waits for the next day.",
  startDelayMinutes: "From enrolment to the first message, in minutes, 0 to 525,600.",
  stopOnReply: "Whether a lead that replies leaves it, once something of it has been attempted.",
  onFailure: "What becomes of a lead whose message failed.",
  noDeviceGraceMinutes: "How long a due message waits where no device of the workspace could come back by itself, in minutes, 0 to 525,600; at 0 it fails at once.",

  // Of a step.
  dayNumber: "Its place in the sequence, as people count it, 1 to 3,650. Steps are listed by it; when a step is due, the delays and the time of day decide.",
  trigger: "A word of its own, of at most 100 characters without blanks or commas: no two steps of a workspace have the same. Set on a lead, that of an entry step enrols it.",
  nextTrigger: "The trigger of the step that follows, in this sequence or another. Null: the sequence ends here.",
  isEntryPoint: "Whether leads can begin here: its trigger on a lead enrols it.",
};

const ARGUMENTS: Words = {
  id: "Which one.",
  input: "What is to be written.",
  idempotencyKey: IDEMPOTENCY_KEY,
  filter: "Only what matches it.",
  first: "So many rows from the beginning, or behind `after`: 20 where neither it nor `last` is given, at most 100.",
  last: "So many rows from the end, or before `before`, at most 100. Not together with `first`.",
  before: "Only rows before this cursor.",
};

const AFTER_ROW = "Only rows behind this cursor.";
const AFTER_EVENT = "The cursor of the last event that you have worked in: what came after it is told first. Where it is left out, only what happens from now on.";

const ENDINGS: readonly (readonly [string, string])[] = [
  ["Connection", "A page of a list."],
  ["Edge", "A row of a list, and its place there."],
  ["Payload", "What a mutation answers with: what it made or changed, or what the caller has to mend."],
  ["OrderField", "What a list can be ordered by."],
  ["Order", "The order of a list."],
];

/** Describes what says the same everywhere, where it has no description of its own. Whatever else lacks one is found by a test. */
export function withVocabulary(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith("__")) continue;
    type.description ??= ENDINGS.find(([ending]) => type.name.endsWith(ending))?.[1];
    describeFields(type);
  }
  return schema;
}

function describeFields(type: GraphQLNamedType): void {
  if (isEnumType(type)) return;
  if (isInputObjectType(type)) {
    for (const field of Object.values(type.getFields())) field.description ??= INPUT_FIELDS[field.name];
  }
  if (isObjectType(type) || isInterfaceType(type)) {
    for (const field of Object.values(type.getFields())) {
      field.description ??= wordsOf(type.name)[field.name];
      for (const argument of field.args) argument.description ??= describeArgument(argument);
    }
  }
}

/** Only of what the vocabulary is for: the root types' fields are named after what they do, and a graph has nodes and edges that are no rows. */
function wordsOf(typeName: string): Words {
  if (["Query", "Mutation", "Subscription"].includes(typeName)) return {};
  if (typeName.endsWith("Connection")) return CONNECTION_FIELDS;
  if (typeName.endsWith("Edge")) return EDGE_FIELDS;
  const example = typeName === "Node" ? "Lead" : typeName;
  return { ...FIELDS, id: `Such as ${example}:0198c7e2-5d4f-7cc1-a5a5-0123456789ab. It stays the same, and \`node\` finds the object by it.` };
}

function describeArgument({ name, type }: GraphQLArgument): string | undefined {
  if (name === "after") return String(type) === "Cursor" ? AFTER_EVENT : AFTER_ROW;
  return ARGUMENTS[name];
}
