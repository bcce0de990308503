// What a session needs of whatever keeps its credentials and keys.

import type { AuthenticationCreds, SignalDataSet, SignalDataTypeMap } from "baileys";
import type { InboxEntry } from "./inbox-entry.ts";

/** What is written at once: null deletes. What was received goes in together with the key that it was decrypted with, which opens it once and never again. */
export type KeyData = SignalDataSet & { readonly inbox?: { readonly [messageId: string]: InboxEntry } };

export interface DeviceKeys {
  /** Only those that there are. Rejects where that cannot be told. */
  get<T extends keyof SignalDataTypeMap>(type: T, ids: readonly string[]): Promise<{ [id: string]: SignalDataTypeMap[T] }>;
  /** Read by `get` from this call on; resolves once it is committed. Rejects with LostDevice where another node has the device by now. What fails is
   *  taken back, and all that was written after it fails too: it may have been derived from it. */
  set(data: KeyData): Promise<void>;
  /** Counts the writes that failed. What was read before one must not be written after it. */
  failures(): number;
}

export interface DeviceCredentials {
  /** Undefined where the device has never been paired. Rejects where that cannot be told. */
  load(): Promise<AuthenticationCreds | undefined>;
  /** Like `keys.set`. Taken as they are at this moment. */
  save(creds: AuthenticationCreds): Promise<void>;
}

/** Of one device, as long as this node holds it. */
export interface DeviceAuth {
  readonly creds: DeviceCredentials;
  readonly keys: DeviceKeys;
  /** Forgets credentials and keys: the device is to be paired anew. What waits in the inbox stays. */
  clear(): Promise<void>;
}

/** The device is not this node's any more: another one holds it, or it is gone. */
export class LostDevice extends Error {
  override name = "LostDevice";
}
