/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
export type BranchCondition =
  | 'ATTRIBUTE_EQUALS'
  | 'NICHE_IN'
  /** Has read this step's message. */
  | 'READ'
  /** Has replied since this step was sent. */
  | 'REPLIED_SINCE';

export type CreateDeviceInput = {
  dailyLimit?: number;
  hourlyLimit?: number;
  idempotencyKey?: string | null | undefined;
  name: string;
  simulatedFailureRate?: number | null | undefined;
  /** SIMULATOR only: how long a send takes, and what share of sends fails (0 to 1). */
  simulatedLatencyMs?: number | null | undefined;
  transport?: Transport;
};

export type CreateSequenceInput = {
  greeting?: boolean;
  idempotencyKey?: string | null | undefined;
  maxDelaySeconds?: number;
  minDelaySeconds?: number;
  name: string;
  noDeviceGraceMinutes?: number;
  onFailure?: FailurePolicy;
  scheduleTime?: string | null | undefined;
  scheduleToleranceMinutes?: number;
  startDelayMinutes?: number;
  steps?: Array<SequenceStepInput>;
  stopOnReply?: boolean;
  timeZone?: string | null | undefined;
  triggerDelayHours?: number;
  triggerPrefix?: string | null | undefined;
  visibleVariation?: boolean;
};

export type DeviceStatus =
  /** WhatsApp has closed its account. */
  | 'BANNED'
  | 'CONNECTING'
  /** Unlinked on its phone or by logoutDevice. It has to be paired again. */
  | 'LOGGED_OUT'
  /** Disconnected; it comes back by itself. */
  | 'OFFLINE'
  | 'ONLINE'
  /** Its codes are being shown by devicePairing. */
  | 'PAIRING'
  /** Another connection took its session over. */
  | 'REPLACED'
  /** WhatsApp restricts what it may send. People it has written with are still answered; first contacts bound to it wait. */
  | 'RESTRICTED'
  /** Nobody has linked it to an account yet. */
  | 'UNPAIRED';

export type EnrollmentStatus =
  | 'ACTIVE'
  | 'COMPLETED'
  | 'PAUSED'
  | 'STOPPED';

/** What becomes of a lead whose flow failed. */
export type FailurePolicy =
  | 'CONTINUE'
  | 'STOP';

export type FlowEventType =
  | 'FLOW_ACTIVATED'
  | 'FLOW_CANCELLED'
  | 'FLOW_DELIVERED'
  | 'FLOW_FAILED'
  | 'FLOW_READ'
  | 'FLOW_SENT'
  | 'FLOW_SKIPPED';

/** All given conditions hold. */
export type LeadFilter = {
  /** Attributes equal to these values. */
  attributes?: Record<string, unknown> | null | undefined;
  createdAfter?: string | null | undefined;
  createdBefore?: string | null | undefined;
  /** With sequenceId: enrolled there in one of these states. */
  enrollmentStatus?: Array<EnrollmentStatus> | null | undefined;
  hasConsent?: boolean | null | undefined;
  hasReplied?: boolean | null | undefined;
  ids?: Array<string | number> | null | undefined;
  importId?: string | number | null | undefined;
  niche?: Array<string> | null | undefined;
  optedOut?: boolean | null | undefined;
  phones?: Array<string> | null | undefined;
  preferredDeviceId?: string | number | null | undefined;
  /** Part of the name or the number. */
  search?: string | null | undefined;
  sequenceId?: string | number | null | undefined;
  /** Leads that have this trigger now. */
  trigger?: string | null | undefined;
};

export type LeadImportStatus =
  | 'CANCELLED'
  | 'COMPLETED'
  | 'FAILED'
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

export type MessageVariantInput = {
  /** What its results are counted under; unique in its message. */
  name: string;
  /** Percent of the leads, 1 to 100. What all variants leave gets the message's own text. */
  share: number;
  text: string;
};

export type SequenceStatus =
  | 'ACTIVE'
  | 'ARCHIVED'
  | 'DRAFT'
  | 'PAUSED';

export type SequenceStepInput = {
  /** At most 10. */
  branches?: Array<StepBranchInput>;
  dayNumber: number;
  /** Keeps a step's identity when a sequence's list of steps is replaced. */
  id?: string | number | null | undefined;
  isEntryPoint?: boolean;
  /** Sent with the text. */
  media?: MediaInput | null | undefined;
  nextTrigger?: string | null | undefined;
  /** With media its caption, which may be empty. */
  text: string;
  trigger: string;
  /** The sequence's where it is left out. */
  triggerDelayHours?: number | null | undefined;
  /** Texts that stand in for the step's own, each for a share of the leads. At most 10. */
  variants?: Array<MessageVariantInput>;
};

export type StepBranchInput = {
  condition: BranchCondition;
  /** The end where it is left out. */
  nextTrigger?: string | null | undefined;
  value?: Record<string, unknown> | null | undefined;
};

export type Transport =
  /** Sends nothing: resolves with a set latency and failure rate. For trials, load tests and demos. */
  | 'SIMULATOR'
  | 'WHATSAPP';

export type UserErrorCode =
  | 'CONFLICT'
  | 'INVALID'
  /** The object's present state does not allow it (launching a campaign that is running, say). */
  | 'INVALID_STATE'
  | 'LIMIT_EXCEEDED'
  | 'NOT_FOUND'
  /** The recipient has opted out. */
  | 'SUPPRESSED'
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