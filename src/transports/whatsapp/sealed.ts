import type { SealedColumn, SealedRow } from "../../db/resealing.ts";
import { credentialsPlace, inboxPlace, keyPlace } from "./places.ts";

const ofDevice = ({ workspaceId, key: [deviceId] }: SealedRow) => ({ workspaceId, deviceId: String(deviceId) });

/** What is shown of a pairing is not among them: it is gone after minutes. */
export const SEALED_OF_WHATSAPP: readonly SealedColumn[] = [
  { table: "whatsapp_credentials", column: "sealed", key: { device_id: "uuid" }, place: (row) => credentialsPlace(ofDevice(row)) },
  { table: "whatsapp_keys", column: "sealed", key: { device_id: "uuid", name: "bytea" }, place: (row) => keyPlace(ofDevice(row), row.key[1] as Buffer) },
  { table: "whatsapp_inbox", column: "sealed", key: { device_id: "uuid", message_id: "text" }, place: (row) => inboxPlace(ofDevice(row), row.key[1] as string) },
];
