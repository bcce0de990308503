import { EventEmitter } from "node:events";

const TOPICS = ["events", "enrollment", "devices", "pairing", "imports", "erasures", "campaigns", "webhooks"] as const;

/** What a bell can say: look now. It never says what happened; that stands in Postgres. */
export type Topic = (typeof TOPICS)[number];

export const isTopic = (text: string): text is Topic => TOPICS.some((topic) => topic === text);

export interface Bell {
  ring(topic: Topic): void;
  /** Returns how to stop listening. */
  listen(topic: Topic, heard: () => void): () => void;
}

/** The bell within one process. */
export function createBell(): Bell {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  return {
    ring: (topic) => void emitter.emit(topic),
    listen(topic, heard) {
      emitter.on(topic, heard);
      return () => void emitter.off(topic, heard);
    },
  };
}
