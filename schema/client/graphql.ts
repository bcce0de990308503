/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** What must hold of a lead for a branch to be taken, looked at when its next message is due. */
export type BranchCondition =
  /** Has each of these attributes, with exactly this value. */
  | 'ATTRIBUTE_EQUALS'
  /** Is of one of these niches. */
  | 'NICHE_IN'
  /** Has read this step's message. */
  | 'READ'
  /** Has replied since this step was sent. */
  | 'REPLIED_SINCE';

/** A device to be made. */
export type CreateDeviceInput = {
  /** At most so many attempts in any 24 hours, from 1 to 100,000. */
  dailyLimit?: number;
  /** At most so many attempts in any 60 minutes, from 1 to 100,000. */
  hourlyLimit?: number;
  /** A value of your own, such as a UUID, of at most 200 characters. A repeat with the same key and the same input has no further effect, and gets the first answer again. */
  idempotencyKey?: string | null | undefined;
  /** What it is called, in 1 to 200 characters. */
  name: string;
  /** Over so many days, from its first time online on, its limits grow to the whole, as much more each day: 0 to 90, 0 for none. */
  rampDays?: number | null | undefined;
  /** SIMULATOR only: what share of sends fails, 0 to 1; none where it is left out. */
  simulatedFailureRate?: number | null | undefined;
  /** SIMULATOR only: how long a send takes, in milliseconds, 0 to 600,000; 200 where it is left out. */
  simulatedLatencyMs?: number | null | undefined;
  /** What it sends through. It cannot be changed later. */
  transport?: Transport;
};

/** A sequence to be made, as a draft. */
export type CreateSequenceInput = {
  /** Begin the message with a greeting for the recipient's time of day. */
  greeting?: boolean;
  /** A value of your own, such as a UUID, of at most 200 characters. A repeat with the same key and the same input has no further effect, and gets the first answer again. */
  idempotencyKey?: string | null | undefined;
  /** The longest pause of a device before one of these messages, in seconds, 0 to 86,400. */
  maxDelaySeconds?: number;
  /** The shortest pause of a device before one of these messages, in seconds, 0 to 86,400; each pause is drawn between the two. */
  minDelaySeconds?: number;
  /** What it is called, in 1 to 200 characters. */
  name: string;
  /** How long a due message waits where no device of the workspace could come back by itself, in minutes, 0 to 525,600; at 0 it fails at once. */
  noDeviceGraceMinutes?: number;
  /** What becomes of a lead whose message failed. */
  onFailure?: FailurePolicy;
  /** The time of day from which its messages go out, for scheduleToleranceMinutes, in the lead's time zone. Null: at any time. */
  scheduleTime?: string | null | undefined;
  /** How long its messages go out from scheduleTime on, in minutes, 1 to 1,440. What is not sent by then waits for the next day. */
  scheduleToleranceMinutes?: number;
  /** From enrolment to the first message, in minutes, 0 to 525,600. */
  startDelayMinutes?: number;
  /** Its steps, at most 500. They may also be added later, one by one. */
  steps?: Array<SequenceStepInput>;
  /** Whether a lead that replies leaves it, once something of it has been attempted. */
  stopOnReply?: boolean;
  /** The zone of scheduleTime, quiet hours and greetings for leads that have none of their own; the workspace's where it is left out. */
  timeZone?: string | null | undefined;
  /** How long after a step the next one is due, in hours, for steps that set none of their own: at most 8,760, and at least what the server allows, usually 1. */
  triggerDelayHours?: number;
  /** What its triggers begin with, of at most 100 characters: a note for people, which nothing is checked against. Null for none. */
  triggerPrefix?: string | null | undefined;
  /** Vary punctuation and case, visibly, from message to message. */
  visibleVariation?: boolean;
};

/** Whether a device is connected. UNPAIRED, LOGGED_OUT, REPLACED and BANNED last until somebody does something; the others change by themselves. */
export type DeviceStatus =
  /** WhatsApp has closed its account. */
  | 'BANNED'
  /** On its way to be connected. */
  | 'CONNECTING'
  /** Unlinked on its phone or by logoutDevice. It has to be paired again. */
  | 'LOGGED_OUT'
  /** Disconnected; it comes back by itself. */
  | 'OFFLINE'
  /** Connected: it sends, unless it is paused or at its limits. */
  | 'ONLINE'
  /** Its codes are being shown by devicePairing. */
  | 'PAIRING'
  /** Another connection took its session over. */
  | 'REPLACED'
  /** WhatsApp restricts what it may send. People it has written with are still answered; first contacts bound to it wait. */
  | 'RESTRICTED'
  /** Nobody has linked it to an account yet. */
  | 'UNPAIRED';

/** Whether an enrolment goes on, and how it ended. */
export type EnrollmentStatus =
  /** It goes on. While its sequence is paused, it stands still with it. */
  | 'ACTIVE'
  /** The lead came to the end of the sequence, or went on into another one. */
  | 'COMPLETED'
  /** Held by an operator until resumeEnrollment. */
  | 'PAUSED'
  /** It ended early; stopReason says why. */
  | 'STOPPED';

/** What becomes of a lead whose flow failed. */
export type FailurePolicy =
  /** It goes on to the next step. */
  | 'CONTINUE'
  /** Its enrolment stops, with FLOW_FAILED. */
  | 'STOP';

/** What happened to a flow. */
export type FlowEventType =
  /** It came into being, and waits to be due. */
  | 'FLOW_ACTIVATED'
  /** It was cancelled, by an operator or because it was of no use any more. */
  | 'FLOW_CANCELLED'
  /** It reached the recipient's phone. */
  | 'FLOW_DELIVERED'
  /** It could not be sent, or nobody knows whether it was. */
  | 'FLOW_FAILED'
  /** It was read. */
  | 'FLOW_READ'
  /** WhatsApp took it; or it turned out so after it had been taken for failed (OUTCOME_UNKNOWN). */
  | 'FLOW_SENT'
  /** A rule said no. */
  | 'FLOW_SKIPPED';

/** All given conditions hold. */
export type LeadFilter = {
  /** Attributes equal to these values. */
  attributes?: Record<string, unknown> | null | undefined;
  /** Made later than this time. */
  createdAfter?: string | null | undefined;
  /** Made before this time. */
  createdBefore?: string | null | undefined;
  /** With sequenceId: enrolled there in one of these states. */
  enrollmentStatus?: Array<EnrollmentStatus> | null | undefined;
  /** Whether a consent is recorded. */
  hasConsent?: boolean | null | undefined;
  /** Whether the person has ever written to one of the workspace's devices. */
  hasReplied?: boolean | null | undefined;
  /** These leads, at most 1,000. */
  ids?: Array<string | number> | null | undefined;
  /** Leads that this import was the last one to write. */
  importId?: string | number | null | undefined;
  /** Of one of these niches, at most 1,000, spelt exactly so. */
  niche?: Array<string> | null | undefined;
  /** Whether the person has opted out. */
  optedOut?: boolean | null | undefined;
  /** Leads with these numbers, at most 1,000. */
  phones?: Array<string> | null | undefined;
  /** Leads for which this device is set as the preferred one. */
  preferredDeviceId?: string | number | null | undefined;
  /** Part of the name, in any case, or of the number, from three digits on. */
  search?: string | null | undefined;
  /** Enrolled in this sequence, now or before; enrollmentStatus narrows it down. */
  sequenceId?: string | number | null | undefined;
  /** Leads that have this trigger now. */
  trigger?: string | null | undefined;
};

/** Whether an import is running, and how it ended. What was imported stays, whichever it is. */
export type LeadImportStatus =
  /** Ended by cancelLeadImport. */
  | 'CANCELLED'
  /** The file was read to its end. Rows may have been rejected. */
  | 'COMPLETED'
  /** It could not be read to its end: the file broke off or is broken, or the server ended. */
  | 'FAILED'
  /** Its rows are being read. */
  | 'RUNNING';

/** By url or mediaId. A file is fetched when this is saved, and sent as it was then. */
export type MediaInput = {
  /** As the recipient of a document sees it; the file's own where it is left out. */
  fileName?: string | null | undefined;
  /** By the file's content where it is left out: IMAGE, VIDEO, AUDIO or DOCUMENT. */
  kind?: MediaKind | null | undefined;
  /** Of createMedia, or of another step or campaign. */
  mediaId?: string | number | null | undefined;
  /** http or https, on the public internet. */
  url?: string | null | undefined;
};

/** As what a file is sent. */
export type MediaKind =
  /** MP3, M4A, AAC, AMR, or Ogg with Opus, up to 16 MB. WhatsApp shows no text with it. */
  | 'AUDIO'
  /** PDF, text, CSV, Word, Excel, PowerPoint, OpenDocument, or any of the others as a file; up to 16 MB. */
  | 'DOCUMENT'
  /** JPEG or PNG, up to 5 MB. */
  | 'IMAGE'
  /** MP4 or 3GP, up to 16 MB. */
  | 'VIDEO'
  /** Ogg with Opus, up to 16 MB, shown as if it had been spoken. WhatsApp shows no text with it. */
  | 'VOICE_NOTE';

/** A text that stands in for a message's own for a share of the leads. */
export type MessageVariantInput = {
  /** What its results are counted under; unique in its message. */
  name: string;
  /** Percent of the leads, 1 to 100. What all variants leave gets the message's own text. */
  share: number;
  /** A template of at most 4,096 characters: {{name}} is filled in, and one of {Hi|Hello} chosen. */
  text: string;
};

/** Whether a sequence runs. */
export type SequenceStatus =
  /** It enrols leads and sends. One that SQL has made active, and that has problems, enrols nobody. */
  | 'ACTIVE'
  /** Ended, for good. */
  | 'ARCHIVED'
  /** Not activated yet: it may be incomplete, and enrols nobody. */
  | 'DRAFT'
  /** Held by an operator until activateSequence: it enrols nobody, and sends nothing. */
  | 'PAUSED';

/** A step to be made or, in a sequence's list of steps, kept or changed. */
export type SequenceStepInput = {
  /** At most 10. */
  branches?: Array<StepBranchInput>;
  /** Its place in the sequence, as people count it, 1 to 3,650. Steps are listed by it; when a step is due, the delays and the time of day decide. */
  dayNumber: number;
  /** Keeps a step's identity when a sequence's list of steps is replaced. */
  id?: string | number | null | undefined;
  /** Whether leads can begin here: its trigger on a lead enrols it. */
  isEntryPoint?: boolean;
  /** Sent with the text. */
  media?: MediaInput | null | undefined;
  /** The trigger of the step that follows, in this sequence or another. Null: the sequence ends here. */
  nextTrigger?: string | null | undefined;
  /** With media its caption, which may be empty. */
  text: string;
  /** A word of its own, of at most 100 characters without blanks or commas: no two steps of a workspace have the same. Set on a lead, that of an entry step enrols it. */
  trigger: string;
  /** Hours from this step to the one that follows, at most 8,760, and at least what the server allows, usually 1. The sequence's where it is left out. */
  triggerDelayHours?: number | null | undefined;
  /** Texts that stand in for the step's own, each for a share of the leads. At most 10. */
  variants?: Array<MessageVariantInput>;
};

/** Another step than the next one, for leads of which a condition holds. */
export type StepBranchInput = {
  /** What must hold. No two branches of a step have the same. */
  condition: BranchCondition;
  /** The trigger of the step that follows then. The sequence ends there where it is left out. */
  nextTrigger?: string | null | undefined;
  /** For ATTRIBUTE_EQUALS {"city": "Ipoh"}, for NICHE_IN {"niches": ["fitness"]}, of at most 50 values; for the others nothing. */
  value?: Record<string, unknown> | null | undefined;
};

/** What a device sends through. */
export type Transport =
  /** Sends nothing: resolves with a set latency and failure rate. For trials, load tests and demos. */
  | 'SIMULATOR'
  /** A WhatsApp account that the device is linked to. */
  | 'WHATSAPP';

/** The kind of mistake, for programs. */
export type UserErrorCode =
  /** It does not go with something else, such as an active sequence; or its idempotencyKey was used with another input. */
  | 'CONFLICT'
  /** A value is wrong; the message says what would be right. */
  | 'INVALID'
  /** The object's present state does not allow it (launching a campaign that is running, say). */
  | 'INVALID_STATE'
  /** It is too much: too many values, too long, or too large. */
  | 'LIMIT_EXCEEDED'
  /** Nothing of the workspace has this id, number or name. */
  | 'NOT_FOUND'
  /** The recipient has opted out. */
  | 'SUPPRESSED'
  /** Another one has this number or trigger already. */
  | 'TAKEN';

export type ViewerQueryVariables = Exact<{ [key: string]: never; }>;


export type ViewerQuery = { viewer: { workspace: { id: string, name: string } } };

export type SequencesQueryVariables = Exact<{ [key: string]: never; }>;


export type SequencesQuery = { sequences: { nodes: Array<{ id: string, name: string, status: SequenceStatus, progress: { enrolled: number, active: number, paused: number, completed: number, stopped: number, flowsSent: number, flowsFailed: number, flowsWaiting: number, percent: number } }> } };

export type DevicesByNameQueryVariables = Exact<{
  search: string;
}>;


export type DevicesByNameQuery = { devices: { nodes: Array<{ id: string, name: string, isAvailable: boolean }> } };

export type CreateDeviceMutationVariables = Exact<{
  input: CreateDeviceInput;
}>;


export type CreateDeviceMutation = { createDevice: { device: { id: string } | null, userErrors: Array<{ code: UserErrorCode, message: string, field: Array<string> | null }> } };

export type CreateSequenceMutationVariables = Exact<{
  input: CreateSequenceInput;
}>;


export type CreateSequenceMutation = { createSequence: { sequence: { id: string } | null, userErrors: Array<{ code: UserErrorCode, message: string, field: Array<string> | null }> } };

export type ActivateSequenceMutationVariables = Exact<{
  id: string | number;
}>;


export type ActivateSequenceMutation = { activateSequence: { sequence: { id: string, status: SequenceStatus } | null, userErrors: Array<{ code: UserErrorCode, message: string, field: Array<string> | null }> } };

export type SetTriggersMutationVariables = Exact<{
  filter: LeadFilter;
  triggers: Array<string> | string;
  idempotencyKey: string;
}>;


export type SetTriggersMutation = { setLeadTriggers: { affected: number, userErrors: Array<{ code: UserErrorCode, message: string, field: Array<string> | null }> } };

export type ImportStateQueryVariables = Exact<{
  id: string | number;
}>;


export type ImportStateQuery = { leadImport: { status: LeadImportStatus, rowsRead: number, rowsCreated: number, rowsUpdated: number, rowsRejected: number } | null };

export type FlowEventsSubscriptionVariables = Exact<{
  after?: string | null | undefined;
}>;


export type FlowEventsSubscription = { flowEvents: { cursor: string, type: FlowEventType, flow: { sequence: { name: string } | null, device: { name: string } | null } } };

export type ProgressFragment = { enrolled: number, active: number, paused: number, completed: number, stopped: number, flowsSent: number, flowsFailed: number, flowsWaiting: number, percent: number };

export type ProblemFragment = { code: UserErrorCode, message: string, field: Array<string> | null };

export type WhoAmIQueryVariables = Exact<{ [key: string]: never; }>;


export type WhoAmIQuery = { eventCursor: string, viewer: { workspace: { name: string } } };

export type FollowSentSubscriptionVariables = Exact<{
  after?: string | null | undefined;
}>;


export type FollowSentSubscription = { flowSent: { cursor: string, at: string, flow: { id: string, device: { name: string } | null } } };

export type CancelLeadImportMutationVariables = Exact<{
  id: string | number;
}>;


export type CancelLeadImportMutation = { cancelLeadImport: { leadImport: { id: string, status: LeadImportStatus } | null, userErrors: Array<{ message: string }> } };

export type DeviceToPairQueryVariables = Exact<{
  id: string | number;
}>;


export type DeviceToPairQuery = { device: { id: string, name: string, status: DeviceStatus, statusReason: string | null } | null };

export type PairDeviceMutationVariables = Exact<{
  id: string | number;
  phone?: string | null | undefined;
}>;


export type PairDeviceMutation = { pairDevice: { device: { id: string } | null, userErrors: Array<{ message: string }> } };

export type DevicePairingSubscriptionVariables = Exact<{
  deviceId: string | number;
}>;


export type DevicePairingSubscription = { devicePairing: { status: DeviceStatus, qr: string | null, code: string | null, expiresAt: string | null } };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const ProgressFragmentDoc = new TypedDocumentString(`
    fragment Progress on SequenceProgress {
  enrolled
  active
  paused
  completed
  stopped
  flowsSent
  flowsFailed
  flowsWaiting
  percent
}
    `, {"fragmentName":"Progress"}) as unknown as TypedDocumentString<ProgressFragment, unknown>;
export const ProblemFragmentDoc = new TypedDocumentString(`
    fragment Problem on UserError {
  code
  message
  field
}
    `, {"fragmentName":"Problem"}) as unknown as TypedDocumentString<ProblemFragment, unknown>;
export const ViewerDocument = new TypedDocumentString(`
    query Viewer {
  viewer {
    workspace {
      id
      name
    }
  }
}
    `) as unknown as TypedDocumentString<ViewerQuery, ViewerQueryVariables>;
export const SequencesDocument = new TypedDocumentString(`
    query Sequences {
  sequences(first: 100) {
    nodes {
      id
      name
      status
      progress {
        ...Progress
      }
    }
  }
}
    fragment Progress on SequenceProgress {
  enrolled
  active
  paused
  completed
  stopped
  flowsSent
  flowsFailed
  flowsWaiting
  percent
}`) as unknown as TypedDocumentString<SequencesQuery, SequencesQueryVariables>;
export const DevicesByNameDocument = new TypedDocumentString(`
    query DevicesByName($search: String!) {
  devices(first: 100, filter: {search: $search}) {
    nodes {
      id
      name
      isAvailable
    }
  }
}
    `) as unknown as TypedDocumentString<DevicesByNameQuery, DevicesByNameQueryVariables>;
export const CreateDeviceDocument = new TypedDocumentString(`
    mutation CreateDevice($input: CreateDeviceInput!) {
  createDevice(input: $input) {
    device {
      id
    }
    userErrors {
      ...Problem
    }
  }
}
    fragment Problem on UserError {
  code
  message
  field
}`) as unknown as TypedDocumentString<CreateDeviceMutation, CreateDeviceMutationVariables>;
export const CreateSequenceDocument = new TypedDocumentString(`
    mutation CreateSequence($input: CreateSequenceInput!) {
  createSequence(input: $input) {
    sequence {
      id
    }
    userErrors {
      ...Problem
    }
  }
}
    fragment Problem on UserError {
  code
  message
  field
}`) as unknown as TypedDocumentString<CreateSequenceMutation, CreateSequenceMutationVariables>;
export const ActivateSequenceDocument = new TypedDocumentString(`
    mutation ActivateSequence($id: ID!) {
  activateSequence(id: $id) {
    sequence {
      id
      status
    }
    userErrors {
      ...Problem
    }
  }
}
    fragment Problem on UserError {
  code
  message
  field
}`) as unknown as TypedDocumentString<ActivateSequenceMutation, ActivateSequenceMutationVariables>;
export const SetTriggersDocument = new TypedDocumentString(`
    mutation SetTriggers($filter: LeadFilter!, $triggers: [String!]!, $idempotencyKey: String!) {
  setLeadTriggers(
    filter: $filter
    triggers: $triggers
    mode: ADD
    idempotencyKey: $idempotencyKey
  ) {
    affected
    userErrors {
      ...Problem
    }
  }
}
    fragment Problem on UserError {
  code
  message
  field
}`) as unknown as TypedDocumentString<SetTriggersMutation, SetTriggersMutationVariables>;
export const ImportStateDocument = new TypedDocumentString(`
    query ImportState($id: ID!) {
  leadImport(id: $id) {
    status
    rowsRead
    rowsCreated
    rowsUpdated
    rowsRejected
  }
}
    `) as unknown as TypedDocumentString<ImportStateQuery, ImportStateQueryVariables>;
export const FlowEventsDocument = new TypedDocumentString(`
    subscription FlowEvents($after: Cursor) {
  flowEvents(after: $after) {
    cursor
    type
    flow {
      sequence {
        name
      }
      device {
        name
      }
    }
  }
}
    `) as unknown as TypedDocumentString<FlowEventsSubscription, FlowEventsSubscriptionVariables>;
export const WhoAmIDocument = new TypedDocumentString(`
    query WhoAmI {
  viewer {
    workspace {
      name
    }
  }
  eventCursor
}
    `) as unknown as TypedDocumentString<WhoAmIQuery, WhoAmIQueryVariables>;
export const FollowSentDocument = new TypedDocumentString(`
    subscription FollowSent($after: Cursor) {
  flowSent(after: $after) {
    cursor
    at
    flow {
      id
      device {
        name
      }
    }
  }
}
    `) as unknown as TypedDocumentString<FollowSentSubscription, FollowSentSubscriptionVariables>;
export const CancelLeadImportDocument = new TypedDocumentString(`
    mutation CancelLeadImport($id: ID!) {
  cancelLeadImport(id: $id) {
    leadImport {
      id
      status
    }
    userErrors {
      message
    }
  }
}
    `) as unknown as TypedDocumentString<CancelLeadImportMutation, CancelLeadImportMutationVariables>;
export const DeviceToPairDocument = new TypedDocumentString(`
    query DeviceToPair($id: ID!) {
  device(id: $id) {
    id
    name
    status
    statusReason
  }
}
    `) as unknown as TypedDocumentString<DeviceToPairQuery, DeviceToPairQueryVariables>;
export const PairDeviceDocument = new TypedDocumentString(`
    mutation PairDevice($id: ID!, $phone: PhoneNumber) {
  pairDevice(id: $id, phone: $phone) {
    device {
      id
    }
    userErrors {
      message
    }
  }
}
    `) as unknown as TypedDocumentString<PairDeviceMutation, PairDeviceMutationVariables>;
export const DevicePairingDocument = new TypedDocumentString(`
    subscription DevicePairing($deviceId: ID!) {
  devicePairing(deviceId: $deviceId) {
    status
    qr
    code
    expiresAt
  }
}
    `) as unknown as TypedDocumentString<DevicePairingSubscription, DevicePairingSubscriptionVariables>;