// One flow, from a device's queue to its end: rendered, attempted, sent, settled. Without a promise but the transport's own: what a flow allocates lives
// until its batch has been answered, and most of it was still there at the next garbage collection, which had to copy it.

import type pg from "pg";
import type { MessageIds } from "../flows/message-id.ts";
import type { Ending } from "../flows/settle.ts";
import type { FlowSkipReason } from "../flows/states.ts";
import { isStopReason } from "../sequences/stop.ts";
import type { Clock } from "../lib/clock.ts";
import { createDeadline } from "../lib/deadline.ts";
import type { Logger } from "../lib/logger.ts";
import { createPlaces } from "../lib/places.ts";
import { captionOf } from "../media/caption.ts";
import { templatesAt, timeOfDay } from "../messages/greeting.ts";
import { renderTemplate, type Style } from "../messages/render.ts";
import { type Outcome, type OutgoingMedia, type Preparation, type PreparedMedia, type Session, SEND_DEADLINE_MS } from "../transports/transport.ts";
import type { AttemptAnswer } from "./attempt.ts";
import { type Answer, type Asked, createAttempts } from "./attempts.ts";
import type { ClaimedFlow, LocalGreeter, Recipient } from "./claim.ts";
import type { Settling } from "./settling.ts";

/** How its one attempt ended. What was not attempted was not on the wire: it costs the device no wait, and says nothing of how well it sends. */
export type Sent = "sent" | "failed" | "not attempted";

/** The device, as its sends need it. */
export type SendingDevice = {
  readonly id: string;
  readonly session: Session;
  /** Whether it may send this one now: asked again when it has its turn, for the device may have been paused or restricted while it stood in line. */
  readonly takes: (flow: ClaimedFlow) => boolean;
  /** Counts an attempt towards the limits, and the wait between messages, from `at` on (monotonic clock); and takes it back where it was not made. */
  readonly recordAttempt: (at: number) => void;
  readonly forgetAttempt: (at: number) => void;
  /** It has come to its end, and the next one may begin. */
  readonly onEnded: (sent: Sent) => void;
};

/** Brings a claimed flow to its end, or leaves it in the queue where something keeps it from being attempted now. */
export type Send = (flow: ClaimedFlow, device: SendingDevice) => void;

export interface Sender {
  readonly send: Send;
  /** What stands in line for its turn, or waits for its media, is not begun any more. */
  close(): void;
}

export type SenderOptions = {
  readonly pool: pg.Pool;
  readonly nodeId: string;
  readonly settling: Settling;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly messageIds: MessageIds;
  readonly newId: () => string;
  /** At most so many flows are on their way at the same time. */
  readonly sendConcurrency: number;
  readonly onLeaseLost: () => void;
};

type InHand = { readonly flow: ClaimedFlow; readonly device: SendingDevice; readonly media: PreparedMedia | null };

type Trying = Asked & {
  readonly phone: string;
  readonly media: PreparedMedia | null;
  /** By the monotonic clock. */
  readonly at: number;
  readonly device: SendingDevice;
};

const LATER: Preparation = { kind: "later" };

const MISSED: Outcome = { kind: "refused", code: "DEADLINE_MISSED", message: "It could not be written within the send deadline." };

/** With the greeting for the recipient's time of day. */
const styleOf = ({ greeter, isVaried }: ClaimedFlow, now: number): Style => ({ greeting: greeter && greetingAt(greeter, now), isVaried });

const greetingAt = ({ greetings, formOfAddress, utcOffsetSeconds }: LocalGreeter, now: number) => ({
  templates: templatesAt(greetings, timeOfDay(now, utcOffsetSeconds)),
  formOfAddress,
});

export function createSender({ settling, clock, logger, messageIds, ...options }: SenderOptions): Sender {
  let isClosed = false;

  const end = (device: SendingDevice, sent: Sent) => {
    places.leave();
    device.onEnded(sent);
  };

  const endUnattempted = (flowId: string, device: SendingDevice, ending: Ending) =>
    settling.settle({ flowId, attemptId: null, ending, onSettled: () => end(device, "not attempted") });

  /** The place is waited for before the attempt: an attempted flow must not spend its deadline in a line. */
  const begin = ({ flow, device, media }: InHand) => {
    // Later, or a line of thousands would be as many calls within each other.
    if (isClosed || !device.takes(flow)) return queueMicrotask(() => end(device, "not attempted"));
    if (flow.template === null) return endUnattempted(flow.id, device, { kind: "skipped", reason: "STEP_REMOVED" });
    if (flow.lead === null) return endUnattempted(flow.id, device, { kind: "skipped", reason: "ERASED" });
    const template = captionOf(flow.template, flow.media);
    const rendered = template === undefined ? { text: "" } : renderTemplate(template, flow.lead, flow.id, styleOf(flow, clock.now()));
    if ("error" in rendered) return endUnattempted(flow.id, device, { kind: "unrenderable", message: rendered.error });
    ask(flow, flow.lead, rendered.text, media, device);
  };

  const preparing = new Set<() => void>();

  const untilClosed = (preparation: Promise<Preparation>) =>
    new Promise<Preparation>((resolve) => {
      const giveUp = () => resolve(LATER);
      preparing.add(giveUp);
      void preparation.then((prepared) => {
        preparing.delete(giveUp);
        resolve(prepared);
      });
    });

  /** Before there is a place for it: media may wait for a minute, and texts must not wait with them. */
  const prepare = async (flow: ClaimedFlow, media: OutgoingMedia, device: SendingDevice) => {
    const preparation = isClosed || !device.takes(flow) ? LATER : await untilClosed(device.session.prepare(media));
    switch (preparation.kind) {
      case "ready":
        return places.enter({ flow, device, media: preparation.media });
      case "failed":
        return settling.settle({ flowId: flow.id, attemptId: null, ending: { kind: "media_failed", message: preparation.message }, onSettled: () => device.onEnded("not attempted") });
      case "later":
        return device.onEnded("not attempted");
    }
  };

  const ask = ({ id: flowId, revision, isRationed, isOfCampaign, variant }: ClaimedFlow, { phone }: Recipient, text: string, media: PreparedMedia | null, device: SendingDevice) => {
    // From here, before the attempt is even queued: whatever it waits for is taken off the time that is left to write.
    const deadline = createDeadline(clock, SEND_DEADLINE_MS);
    const at = clock.monotonic();
    device.recordAttempt(at);
    attempts.add({ flowId, attemptId: attempts.id(), deviceId: device.id, text, variant, mediaId: media?.media.id ?? null, revision, isRationed, isOfCampaign, deadline, phone, media, at, device });
  };

  const answered = (trying: Trying, answer: Answer, messageId: string) => {
    if (answer === "unanswered") return finish(trying, MISSED);
    if (answer instanceof Error) return endBad(trying, answer);
    if (!answer.attempted) return endHindered(trying, answer);
    const { flowId, phone, text, media, deadline, device } = trying;
    void device.session.send({ flowId, messageId, phone, text, media }, deadline).then((outcome) => finish(trying, outcome));
  };

  const finish = ({ flowId, attemptId, device }: Trying, ending: Outcome) => {
    const sent = ending.kind === "accepted" ? "sent" : "failed";
    // Not waited for: the device's next message need not wait until this one's outcome is written down, only for the outcome.
    if (!settling.isBehind()) {
      settling.settle({ flowId, attemptId, ending });
      return end(device, sent);
    }
    settling.settle({ flowId, attemptId, ending, onSettled: () => end(device, sent) });
  };

  const endBad = ({ flowId, at, device }: Trying, error: Error) => {
    logger.error({ err: error, flowId }, "a flow cannot be attempted");
    device.forgetAttempt(at);
    endUnattempted(flowId, device, { kind: "unrenderable", message: "Its text cannot be stored." });
  };

  /** What can never be sent is skipped now; what can be sent later is left in the queue. */
  const endHindered = ({ flowId, at, device }: Trying, { hindrance, stopReason }: Exclude<AttemptAnswer, { attempted: true }>) => {
    device.forgetAttempt(at);
    const skip = (reason: FlowSkipReason) => endUnattempted(flowId, device, { kind: "skipped", reason });
    switch (hindrance) {
      case "opted_out":
        return skip("OPTED_OUT");
      case "no_consent":
        return skip("NO_CONSENT");
      case "erased":
        return skip("ERASED");
      case "stopped":
        return skip(isStopReason(stopReason) ? stopReason : "OPERATOR");
      case "superseded":
        return endUnattempted(flowId, device, { kind: "cancelled" });
      case "lease_lost":
        options.onLeaseLost();
        return end(device, "not attempted");
      case "gone":
      case "not_now":
      case "edited":
        return end(device, "not attempted");
    }
  };

  const onAnswers = (batch: readonly Trying[], answers: readonly Answer[]) => {
    const ids = messageIds.messageIdsOf(batch.map(({ flowId }) => flowId));
    batch.forEach((trying, index) => answered(trying, answers[index] ?? "unanswered", ids[index] ?? ""));
  };

  const attempts = createAttempts<Trying>({ ...options, clock, logger, onAnswers });
  const places = createPlaces(options.sendConcurrency, begin);
  return {
    send: (flow, device) => (flow.media === null ? places.enter({ flow, device, media: null }) : void prepare(flow, flow.media, device)),
    close() {
      isClosed = true;
      for (const giveUp of preparing) giveUp();
    },
  };
}
