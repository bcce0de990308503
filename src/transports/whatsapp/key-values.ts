// Values of keys as they are sealed: strings of one byte a letter, which a cache holds at half the size of a Buffer with its object.

import { type AuthenticationCreds, BufferJSON, proto, type SignalDataTypeMap } from "baileys";
import { type SessionRecord, trimmed } from "./session-record.ts";
import { unpooled } from "./unpooled.ts";

export type KeyType = keyof SignalDataTypeMap;

/** Never empty. */
export function encodeValue(type: string, value: unknown): string {
  // Holds no Buffers: looked through for them, it takes six times as long.
  if (type === "session") return JSON.stringify(trimmed(value as SessionRecord));
  if (type === "identity-key" || type === "sender-key") return `=${Buffer.from(value as Uint8Array).toString("latin1")}`;
  return encodeAny(value);
}

export function decodeValue<T extends KeyType>(type: T, encoded: string): SignalDataTypeMap[T];
export function decodeValue(type: KeyType, encoded: string): unknown {
  if (type === "session") return JSON.parse(encoded);
  if (type === "identity-key" || type === "sender-key") return Buffer.from(encoded.slice(1), "latin1");
  const value = decodeAny(encoded);
  return type === "app-state-sync-key" ? proto.Message.AppStateSyncKeyData.fromObject(value as Record<string, unknown>) : value;
}

export const encodeCredentials = (creds: AuthenticationCreds): string => encodeAny(creds);
export const decodeCredentials = (encoded: string): AuthenticationCreds => unpooled(() => decodeAny(encoded) as AuthenticationCreds);

const encodeAny = (value: unknown) => Buffer.from(JSON.stringify(value, BufferJSON.replacer)).toString("latin1");
const decodeAny = (encoded: string): unknown => JSON.parse(Buffer.from(encoded, "latin1").toString(), BufferJSON.reviver);
