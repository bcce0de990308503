import type { SealedColumn, SealedRow } from "../db/resealing.ts";

/** What a secret's sealed bytes are bound to: copied into another row, they do not open. */
export const secretPlace = (workspaceId: string, endpointId: string): string => `webhook/${workspaceId}/${endpointId}`;

const place = ({ workspaceId, key: [id] }: SealedRow) => secretPlace(workspaceId, String(id));

export const SEALED_OF_WEBHOOKS: readonly SealedColumn[] = [
  { table: "webhook_endpoints", column: "sealed_secret", key: { id: "uuid" }, place },
  { table: "webhook_endpoints", column: "sealed_previous", key: { id: "uuid" }, place },
];
