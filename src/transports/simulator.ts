import { appendFile } from "node:fs/promises";
import type { Clock, Timer } from "../lib/clock.ts";
import type { Deadline } from "../lib/deadline.ts";
import { seededRandom } from "../lib/random.ts";
import { ACKNOWLEDGEMENT_MS, type Outcome, type OutgoingMessage, type Session, type SessionDevice, type SessionListener, type Transport } from "./transport.ts";

export type SimulatorOptions = {
  readonly clock: Clock;
  /** A file to which each message that is given is appended before it is answered: the witness of demos and fault tests. */
  readonly logFile: string | undefined;
};

/** Sends nothing. A send takes the device's latency, and the set share of them is refused (the same ones each time: seeded by the flow).
 *  A latency beyond the time that an acknowledgement is waited for gives an unknown outcome first, and the acknowledgement later. */
export function createSimulator({ clock, logFile }: SimulatorOptions): Transport {
  return { open: (device, listener) => openSession(device, listener, clock, logFile) };
}

function openSession(device: () => SessionDevice, listener: SessionListener, clock: Clock, logFile: string | undefined): Session {
  const sending = new Set<() => void>();
  const acknowledgements = new Set<Timer>();
  let closed = false;
  listener.status("ONLINE", null);

  const record = async ({ phone, messageId, text, media }: OutgoingMessage, logFile: string) => {
    const shown = media && { kind: media.media.kind, contentType: media.media.contentType, sha256: media.media.sha256, fileName: media.media.fileName };
    await appendFile(logFile, `${JSON.stringify({ at: new Date(clock.now()).toISOString(), deviceId: device().id, phone, messageId, text, ...(shown && { media: shown }) })}\n`);
  };

  const acknowledgeIn = (ms: number, messageId: string) => {
    const timer = clock.setTimeout(() => {
      acknowledgements.delete(timer);
      listener.receipt({ messageId, kind: "accepted", at: new Date(clock.now()) });
    }, ms);
    acknowledgements.add(timer);
  };

  const acknowledgement = (messageId: string, latencyMs: number) =>
    new Promise<Outcome>((resolve) => {
      const end = (outcome: Outcome) => {
        timer.cancel();
        sending.delete(endByClose);
        resolve(outcome);
      };
      const endByClose = () => end({ kind: "unknown", message: "The device was disconnected before the message was acknowledged." });
      const timer = clock.setTimeout(
        () => {
          if (latencyMs <= ACKNOWLEDGEMENT_MS) return end({ kind: "accepted", at: new Date(clock.now()) });
          acknowledgeIn(latencyMs - ACKNOWLEDGEMENT_MS, messageId);
          end({ kind: "unknown", message: `No acknowledgement came within ${ACKNOWLEDGEMENT_MS / 1000} seconds.` });
        },
        Math.min(latencyMs, ACKNOWLEDGEMENT_MS),
      );
      sending.add(endByClose);
    });

  const refusal = (flowId: string, deadline: Deadline): Outcome | null => {
    const { simulatedFailureRate } = device();
    if (closed) return { kind: "refused", code: "DEVICE_DISCONNECTED", message: "The device was disconnected before the message could be written." };
    if (deadline.hasPassed()) return { kind: "refused", code: "DEADLINE_MISSED", message: "It could not be written within the send deadline." };
    if (simulatedFailureRate === 0 || seededRandom(flowId)() >= simulatedFailureRate) return null;
    return { kind: "refused", code: "REJECTED", message: "The simulated device refused it, as its failure rate asks for." };
  };

  const answered = (messageId: string): Promise<Outcome> => {
    const { simulatedLatencyMs } = device();
    // Without a timer, of which there would be one a message.
    return simulatedLatencyMs === 0 ? Promise.resolve({ kind: "accepted", at: new Date(clock.now()) }) : acknowledgement(messageId, simulatedLatencyMs);
  };

  const sendRecorded = async (message: OutgoingMessage, file: string): Promise<Outcome> => {
    try {
      await record(message, file);
    } catch (error) {
      // A line that was half written is a message that may have left.
      return { kind: "unknown", message: `The simulator's log could not be written: ${error instanceof Error ? error.message : String(error)}` };
    }
    return closed ? { kind: "unknown", message: "The device was disconnected before the message was acknowledged." } : answered(message.messageId);
  };

  return {
    prepare: (media) => Promise.resolve({ kind: "ready", media: { media, content: null } }),
    send(message, deadline) {
      const refused = refusal(message.flowId, deadline);
      if (refused) return Promise.resolve(refused);
      return logFile === undefined ? answered(message.messageId) : sendRecorded(message, logFile);
    },
    refresh() {},
    async close() {
      if (closed) return;
      closed = true;
      for (const end of [...sending]) end();
      for (const timer of acknowledgements) timer.cancel();
      acknowledgements.clear();
      listener.status("OFFLINE", "The server has disconnected it.");
    },
  };
}
