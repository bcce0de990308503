/* eslint-disable */
import * as types from './graphql.ts';



/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "query Viewer {\n  viewer {\n    workspace {\n      id\n      name\n    }\n  }\n}\n\nquery Sequences {\n  sequences(first: 100) {\n    nodes {\n      id\n      name\n      status\n      progress {\n        ...Progress\n      }\n    }\n  }\n}\n\nquery DevicesByName($search: String!) {\n  devices(first: 100, filter: {search: $search}) {\n    nodes {\n      id\n      name\n      isAvailable\n    }\n  }\n}\n\nmutation CreateDevice($input: CreateDeviceInput!) {\n  createDevice(input: $input) {\n    device {\n      id\n    }\n    userErrors {\n      ...Problem\n    }\n  }\n}\n\nmutation CreateSequence($input: CreateSequenceInput!) {\n  createSequence(input: $input) {\n    sequence {\n      id\n    }\n    userErrors {\n      ...Problem\n    }\n  }\n}\n\nmutation ActivateSequence($id: ID!) {\n  activateSequence(id: $id) {\n    sequence {\n      id\n      status\n    }\n    userErrors {\n      ...Problem\n    }\n  }\n}\n\nmutation SetTriggers($filter: LeadFilter!, $triggers: [String!]!, $idempotencyKey: String!) {\n  setLeadTriggers(\n    filter: $filter\n    triggers: $triggers\n    mode: ADD\n    idempotencyKey: $idempotencyKey\n  ) {\n    affected\n    userErrors {\n      ...Problem\n    }\n  }\n}\n\nquery ImportState($id: ID!) {\n  leadImport(id: $id) {\n    status\n    rowsRead\n    rowsCreated\n    rowsUpdated\n    rowsRejected\n  }\n}\n\nsubscription FlowEvents($after: Cursor) {\n  flowEvents(after: $after) {\n    cursor\n    type\n    flow {\n      sequence {\n        name\n      }\n      device {\n        name\n      }\n    }\n  }\n}\n\nfragment Progress on SequenceProgress {\n  enrolled\n  active\n  paused\n  completed\n  stopped\n  flowsSent\n  flowsFailed\n  flowsWaiting\n  percent\n}\n\nfragment Problem on UserError {\n  code\n  message\n  field\n}": typeof types.ViewerDocument,
    "query WhoAmI {\n  viewer {\n    workspace {\n      name\n    }\n  }\n  eventCursor\n}\n\nsubscription FollowSent($after: Cursor) {\n  flowSent(after: $after) {\n    cursor\n    at\n    flow {\n      id\n      device {\n        name\n      }\n    }\n  }\n}": typeof types.WhoAmIDocument,
    "mutation CancelLeadImport($id: ID!) {\n  cancelLeadImport(id: $id) {\n    leadImport {\n      id\n      status\n    }\n    userErrors {\n      message\n    }\n  }\n}": typeof types.CancelLeadImportDocument,
    "query DeviceToPair($id: ID!) {\n  device(id: $id) {\n    id\n    name\n    status\n    statusReason\n  }\n}\n\nmutation PairDevice($id: ID!, $phone: PhoneNumber) {\n  pairDevice(id: $id, phone: $phone) {\n    device {\n      id\n    }\n    userErrors {\n      message\n    }\n  }\n}\n\nsubscription DevicePairing($deviceId: ID!) {\n  devicePairing(deviceId: $deviceId) {\n    status\n    qr\n    code\n    expiresAt\n  }\n}": typeof types.DeviceToPairDocument,
};
const documents: Documents = {
    "query Viewer {\n  viewer {\n    workspace {\n      id\n      name\n    }\n  }\n}\n\nquery Sequences {\n  sequences(first: 100) {\n    nodes {\n      id\n      name\n      status\n      progress {\n        ...Progress\n      }\n    }\n  }\n}\n\nquery DevicesByName($search: String!) {\n  devices(first: 100, filter: {search: $search}) {\n    nodes {\n      id\n      name\n      isAvailable\n    }\n  }\n}\n\nmutation CreateDevice($input: CreateDeviceInput!) {\n  createDevice(input: $input) {\n    device {\n      id\n    }\n    userErrors {\n      ...Problem\n    }\n  }\n}\n\nmutation CreateSequence($input: CreateSequenceInput!) {\n  createSequence(input: $input) {\n    sequence {\n      id\n    }\n    userErrors {\n      ...Problem\n    }\n  }\n}\n\nmutation ActivateSequence($id: ID!) {\n  activateSequence(id: $id) {\n    sequence {\n      id\n      status\n    }\n    userErrors {\n      ...Problem\n    }\n  }\n}\n\nmutation SetTriggers($filter: LeadFilter!, $triggers: [String!]!, $idempotencyKey: String!) {\n  setLeadTriggers(\n    filter: $filter\n    triggers: $triggers\n    mode: ADD\n    idempotencyKey: $idempotencyKey\n  ) {\n    affected\n    userErrors {\n      ...Problem\n    }\n  }\n}\n\nquery ImportState($id: ID!) {\n  leadImport(id: $id) {\n    status\n    rowsRead\n    rowsCreated\n    rowsUpdated\n    rowsRejected\n  }\n}\n\nsubscription FlowEvents($after: Cursor) {\n  flowEvents(after: $after) {\n    cursor\n    type\n    flow {\n      sequence {\n        name\n      }\n      device {\n        name\n      }\n    }\n  }\n}\n\nfragment Progress on SequenceProgress {\n  enrolled\n  active\n  paused\n  completed\n  stopped\n  flowsSent\n  flowsFailed\n  flowsWaiting\n  percent\n}\n\nfragment Problem on UserError {\n  code\n  message\n  field\n}": types.ViewerDocument,
    "query WhoAmI {\n  viewer {\n    workspace {\n      name\n    }\n  }\n  eventCursor\n}\n\nsubscription FollowSent($after: Cursor) {\n  flowSent(after: $after) {\n    cursor\n    at\n    flow {\n      id\n      device {\n        name\n      }\n    }\n  }\n}": types.WhoAmIDocument,
    "mutation CancelLeadImport($id: ID!) {\n  cancelLeadImport(id: $id) {\n    leadImport {\n      id\n      status\n    }\n    userErrors {\n      message\n    }\n  }\n}": types.CancelLeadImportDocument,
    "query DeviceToPair($id: ID!) {\n  device(id: $id) {\n    id\n    name\n    status\n    statusReason\n  }\n}\n\nmutation PairDevice($id: ID!, $phone: PhoneNumber) {\n  pairDevice(id: $id, phone: $phone) {\n    device {\n      id\n    }\n    userErrors {\n      message\n    }\n  }\n}\n\nsubscription DevicePairing($deviceId: ID!) {\n  devicePairing(deviceId: $deviceId) {\n    status\n    qr\n    code\n    expiresAt\n  }\n}": types.DeviceToPairDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query Viewer {\n  viewer {\n    workspace {\n      id\n      name\n    }\n  }\n}\n\nquery Sequences {\n  sequences(first: 100) {\n    nodes {\n      id\n      name\n      status\n      progress {\n        ...Progress\n      }\n    }\n  }\n}\n\nquery DevicesByName($search: String!) {\n  devices(first: 100, filter: {search: $search}) {\n    nodes {\n      id\n      name\n      isAvailable\n    }\n  }\n}\n\nmutation CreateDevice($input: CreateDeviceInput!) {\n  createDevice(input: $input) {\n    device {\n      id\n    }\n    userErrors {\n      ...Problem\n    }\n  }\n}\n\nmutation CreateSequence($input: CreateSequenceInput!) {\n  createSequence(input: $input) {\n    sequence {\n      id\n    }\n    userErrors {\n      ...Problem\n    }\n  }\n}\n\nmutation ActivateSequence($id: ID!) {\n  activateSequence(id: $id) {\n    sequence {\n      id\n      status\n    }\n    userErrors {\n      ...Problem\n    }\n  }\n}\n\nmutation SetTriggers($filter: LeadFilter!, $triggers: [String!]!, $idempotencyKey: String!) {\n  setLeadTriggers(\n    filter: $filter\n    triggers: $triggers\n    mode: ADD\n    idempotencyKey: $idempotencyKey\n  ) {\n    affected\n    userErrors {\n      ...Problem\n    }\n  }\n}\n\nquery ImportState($id: ID!) {\n  leadImport(id: $id) {\n    status\n    rowsRead\n    rowsCreated\n    rowsUpdated\n    rowsRejected\n  }\n}\n\nsubscription FlowEvents($after: Cursor) {\n  flowEvents(after: $after) {\n    cursor\n    type\n    flow {\n      sequence {\n        name\n      }\n      device {\n        name\n      }\n    }\n  }\n}\n\nfragment Progress on SequenceProgress {\n  enrolled\n  active\n  paused\n  completed\n  stopped\n  flowsSent\n  flowsFailed\n  flowsWaiting\n  percent\n}\n\nfragment Problem on UserError {\n  code\n  message\n  field\n}"): typeof import('./graphql.ts').ViewerDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query WhoAmI {\n  viewer {\n    workspace {\n      name\n    }\n  }\n  eventCursor\n}\n\nsubscription FollowSent($after: Cursor) {\n  flowSent(after: $after) {\n    cursor\n    at\n    flow {\n      id\n      device {\n        name\n      }\n    }\n  }\n}"): typeof import('./graphql.ts').WhoAmIDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation CancelLeadImport($id: ID!) {\n  cancelLeadImport(id: $id) {\n    leadImport {\n      id\n      status\n    }\n    userErrors {\n      message\n    }\n  }\n}"): typeof import('./graphql.ts').CancelLeadImportDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query DeviceToPair($id: ID!) {\n  device(id: $id) {\n    id\n    name\n    status\n    statusReason\n  }\n}\n\nmutation PairDevice($id: ID!, $phone: PhoneNumber) {\n  pairDevice(id: $id, phone: $phone) {\n    device {\n      id\n    }\n    userErrors {\n      message\n    }\n  }\n}\n\nsubscription DevicePairing($deviceId: ID!) {\n  devicePairing(deviceId: $deviceId) {\n    status\n    qr\n    code\n    expiresAt\n  }\n}"): typeof import('./graphql.ts').DeviceToPairDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
