// One flow, from a device's queue to its end: rendered, attempted, sent, settled.

import type { MessageIds } from "../flows/message-id.ts";
import type { Clock } from "../lib/clock.ts";
import { createDeadline } from "../lib/deadline.ts";
import type { Logger } from "../lib/logger.ts";
import { renderTemplate } from "../messages/render.ts";
import { type Outcome, type Session, SEND_DEADLINE_MS } from "../transports/transport.ts";
import type { AttemptAnswer } from "./attempt.ts";
import type { Batches } from "./batches.ts";
import type { ClaimedFlow } from "./claim.ts";
import type { Ending } from "../flows/settle.ts";
import type { FlowSkipReason } from "../flows/states.ts";

export type SendDeps = {
  readonly batches: Batches;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly messageIds: MessageIds;
  readonly newId: () => string;
  readonly onLeaseLost: () => void;
};

/** The device, as one send needs it. */
export type SendingDevice = {
  readonly id: string;
  readonly session: Session;
  /** Counts an attempt towards the limits, and the wait between messages, from `at` on (monotonic clock); and takes it back where it was not made. */
  readonly recordAttempt: (at: number) => void;
  readonly forgetAttempt: (at: number) => void;
};

/** How its one attempt ended. What was not attempted was not on the wire: it costs the device no wait, and says nothing of how well it sends. */
export type Sent = "sent" | "failed" | "not attempted";

const MISSED: Outcome = { kind: "refused", code: "DEADLINE_MISSED", message: "It could not be written within the send deadline." };

/** Brings one claimed flow to its end, or leaves it in the queue where something keeps it from being attempted now. Never rejects. */
export async function sendFlow(flow: ClaimedFlow, device: SendingDevice, deps: SendDeps): Promise<Sent> {
  const { batches, clock, messageIds } = deps;
  const endUnattempted = (ending: Ending) => batches.settle({ flowId: flow.id, attemptId: null, ending });

  if (flow.template === null) return endUnattempted({ kind: "skipped", reason: "STEP_REMOVED" }).then(() => "not attempted");
  if (flow.lead === null) return endUnattempted({ kind: "skipped", reason: "OPERATOR" }).then(() => "not attempted");
  const rendered = renderTemplate(flow.template, flow.lead, flow.id);
  if ("error" in rendered) return endUnattempted({ kind: "unrenderable", message: rendered.error }).then(() => "not attempted");

  const attemptId = deps.newId();
  // From here, before the attempt is even queued: whatever it waits for is taken off the time that is left to write.
  const deadline = createDeadline(clock, SEND_DEADLINE_MS);
  const at = clock.monotonic();
  device.recordAttempt(at);
  let answer: AttemptAnswer | "unanswered";
  try {
    answer = await batches.attempt({ flowId: flow.id, attemptId, deviceId: device.id, text: rendered.text, revision: flow.revision, isCapped: flow.isCapped }, deadline);
  } catch (error) {
    deps.logger.error({ err: error, flowId: flow.id }, "a flow cannot be attempted");
    device.forgetAttempt(at);
    await endUnattempted({ kind: "unrenderable", message: "Its text cannot be stored." });
    return "not attempted";
  }
  if (answer !== "unanswered" && !answer.attempted) {
    device.forgetAttempt(at);
    await endHindered(flow, answer, deps);
    return "not attempted";
  }
  const outcome =
    answer === "unanswered" || deadline.hasPassed()
      ? MISSED
      : await device.session.send({ flowId: flow.id, messageId: messageIds.messageIdOf(flow.id), phone: flow.lead.phone, text: rendered.text }, deadline);
  // Not awaited: the device's next message need not wait until this one's outcome is written down, only for the outcome.
  const settled = batches.settle({ flowId: flow.id, attemptId, ending: outcome });
  if (batches.isBehind()) await settled;
  return outcome.kind === "accepted" ? "sent" : "failed";
}

/** What can never be sent is skipped now; what can be sent later is left in the queue. */
async function endHindered(flow: ClaimedFlow, answer: Exclude<AttemptAnswer, { attempted: true }>, { batches, onLeaseLost }: SendDeps): Promise<void> {
  const skip = (reason: FlowSkipReason) => batches.settle({ flowId: flow.id, attemptId: null, ending: { kind: "skipped", reason } });
  switch (answer.hindrance) {
    case "opted_out":
      return skip("OPTED_OUT");
    case "stopped":
      return skip(answer.stopReason === "OPTED_OUT" || answer.stopReason === "SEQUENCE_ARCHIVED" ? answer.stopReason : "OPERATOR");
    case "superseded":
      return batches.settle({ flowId: flow.id, attemptId: null, ending: { kind: "cancelled" } });
    case "lease_lost":
      return onLeaseLost();
    case "gone":
    case "not_now":
    case "edited":
      return;
  }
}
