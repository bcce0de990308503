// Answers that belong to no flow, such as the confirmation of an opt-out. At most once each: a process that dies on the way leaves them out. They count for the
// device's limits like any message, and are left out where these leave no room.

import type pg from "pg";
import type { MessageIds } from "../../flows/message-id.ts";
import type { Clock } from "../../lib/clock.ts";
import { createDeadline } from "../../lib/deadline.ts";
import type { Logger } from "../../lib/logger.ts";
import { SEND_DEADLINE_MS, type Session, type SessionListener } from "../transport.ts";
import type { DeviceStore } from "./device-store.ts";
import type { Answer } from "./inbox.ts";

export type OpenDevice = { readonly nodeId: string; readonly store: DeviceStore; readonly session: Session; readonly listener: SessionListener };

export type AnsweringOptions = {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly messageIds: MessageIds;
  /** One that is open in this process. */
  readonly deviceOf: (deviceId: string) => OpenDevice | undefined;
};

export function createAnswering({ pool, clock, logger, messageIds, deviceOf }: AnsweringOptions): (answer: Answer) => void {
  const send = async ({ replyId, deviceId, phone, text }: Answer) => {
    const device = deviceOf(deviceId);
    if (!device?.listener.mayAnswer()) return;
    const deadline = createDeadline(clock, SEND_DEADLINE_MS);
    // Before the write, for whoever holds the device after this process.
    const { rowCount } = await pool.query(
      `INSERT INTO device_attempts (workspace_id, device_id, flow_id, at)
       SELECT workspace_id, id, $2, clock_timestamp() FROM devices WHERE id = $1 AND node_id = $3`,
      [deviceId, replyId, device.nodeId],
    );
    const [messageId] = messageIds.messageIdsOf([replyId]);
    if (rowCount === 1 && messageId !== undefined) await device.session.send({ flowId: replyId, messageId, phone, text, media: null }, deadline);
  };
  return (answer) => void send(answer).catch((error: unknown) => logger.warn({ err: error, deviceId: answer.deviceId }, "an answer could not be sent, and is left out"));
}
