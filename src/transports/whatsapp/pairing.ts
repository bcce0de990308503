// Linking a device to a phone: codes are shown until somebody takes one, or nobody does.

import type { AuthenticationCreds } from "baileys";
import { type Clock, SECOND_MS } from "../../lib/clock.ts";
import type { Connection } from "./connection.ts";
import type { DeviceStore } from "./device-store.ts";

/** An eight-character code is good as long as the QR codes of its connection: the first for a minute, five more for 20 seconds each. */
const CODE_MS = 160 * SECOND_MS;

export interface Pairing {
  /** Null where it is by a QR code. */
  readonly phone: string | null;
  /** The phone has agreed: from then on the credentials are good. */
  isAgreed(): boolean;
  /** The connection has a QR code to be shown for `ms`, or is ready to be asked for a code to type. */
  show(connection: Connection, qr: string, ms: number): Promise<void>;
  /** Stores the credentials, in place of those from before. */
  agree(creds: AuthenticationCreds): Promise<void>;
  /** Nothing is shown any more. */
  end(): Promise<void>;
}

export function createPairing({ store, clock, phone }: { readonly store: DeviceStore; readonly clock: Clock; readonly phone: string | null }): Pairing {
  let isAgreed = false;
  let hasCode = false;

  return {
    phone,
    isAgreed: () => isAgreed,
    async show(connection, qr, ms) {
      if (phone === null) return store.showPairing({ qr }, new Date(clock.now() + ms));
      if (hasCode) return;
      hasCode = true;
      const code = await connection.requestCode(phone);
      await store.showPairing({ code }, new Date(clock.now() + CODE_MS));
    },
    async agree(creds) {
      isAgreed = true;
      await store.startOver(creds);
      await store.hidePairing();
    },
    end: store.hidePairing,
  };
}
