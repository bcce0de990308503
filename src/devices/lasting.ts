import { LASTING } from "../transports/transport.ts";

/** SQL: a list of them. */
export const LASTING_STATUSES = `(${LASTING.map((status) => `'${status}'`).join(", ")})`;

/** SQL: what becomes of a device in this `status` that is disconnected. Were a lasting state overwritten, an operator would wait for a device that never
 *  comes back. A pairing ends with the connection that it was begun on. */
export const disconnected = (status: string) =>
  `CASE WHEN ${status} IN ${LASTING_STATUSES} THEN ${status} WHEN ${status} = 'PAIRING' THEN 'UNPAIRED' ELSE 'OFFLINE' END`;
