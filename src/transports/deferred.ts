import type { Outcome, Preparation, Session, Transport } from "./transport.ts";

export interface Stoppable extends Transport {
  stop(): Promise<void>;
}

const NOT_LOADED: Outcome = { kind: "refused", code: "DEVICE_DISCONNECTED", message: "The device was not connected yet." };

const LATER: Preparation = { kind: "later" };

/** A transport that is loaded with its first device: one that takes its second to load must not keep those from starting who have none of its devices. */
export function deferTransport(load: () => Promise<Stoppable>, onError: (error: unknown) => void): Stoppable {
  let loading: Promise<Stoppable> | undefined;

  return {
    open(device, listener): Session {
      let session: Session | undefined;
      let isClosed = false;
      loading ??= load();
      const opened = loading.then(
        (transport) => {
          if (!isClosed) session = transport.open(device, listener);
        },
        (error: unknown) => {
          loading = undefined; // the next device tries again
          onError(error);
          listener.status("OFFLINE", "What it is connected with could not be loaded. The server's log says why.");
        },
      );
      return {
        prepare: (media) => session?.prepare(media) ?? Promise.resolve(LATER),
        send: (message, deadline) => session?.send(message, deadline) ?? Promise.resolve(NOT_LOADED),
        refresh: () => session?.refresh(),
        async close() {
          isClosed = true;
          await opened;
          await session?.close();
        },
      };
    },
    async stop() {
      const loaded = await loading?.catch(() => undefined);
      await loaded?.stop();
    },
  };
}
