// What a session keeps in Postgres beside its keys. Written only while this node holds the device.

import type { AuthenticationCreds } from "baileys";
import type pg from "pg";
import { type PairingCode, sealCode } from "../../devices/pairing-code.ts";
import type { Sealer } from "../../lib/sealing.ts";
import type { SessionDevice } from "../transport.ts";
import type { DeviceAuth, DeviceKeys } from "./auth-port.ts";
import type { AuthStore } from "./auth-store.ts";

export interface DeviceStore {
  readonly keys: DeviceKeys;
  /** Null where it has never been paired. Rejects where that cannot be told. */
  loadCredentials(): Promise<AuthenticationCreds | null>;
  saveCredentials(creds: AuthenticationCreds): Promise<void>;
  /** New credentials, and none of the keys of those before. */
  startOver(creds: AuthenticationCreds): Promise<void>;
  /** Neither credentials nor keys any more. */
  forget(): Promise<void>;
  writePhone(phone: string): Promise<void>;
  showPairing(code: PairingCode, expiresAt: Date): Promise<void>;
  hidePairing(): Promise<void>;
  /** Takes an operator's request back, so that it is carried out once. False where that has happened already. */
  takePairingRequest(requestedAt: Date): Promise<boolean>;
  takeLogoutRequest(requestedAt: Date): Promise<boolean>;
}

export type DeviceStoreOptions = {
  readonly pool: pg.Pool;
  readonly sealer: Sealer;
  readonly authStore: AuthStore;
  readonly device: Pick<SessionDevice, "id" | "workspaceId" | "nodeId">;
  /** The codes that are shown have changed. */
  readonly onPairing: () => void;
  /** Something was received and is committed. */
  readonly onReceived: () => void;
};

export function createDeviceStore({ pool, sealer, authStore, device: { id, workspaceId, nodeId }, onPairing, onReceived }: DeviceStoreOptions): DeviceStore {
  const auth: DeviceAuth = authStore.open({ deviceId: id, workspaceId, nodeId });
  const changed = async (text: string, values: readonly unknown[]) => ((await pool.query(text, [id, nodeId, ...values])).rowCount ?? 0) > 0;

  return {
    keys: {
      ...auth.keys,
      async set(data) {
        await auth.keys.set(data);
        if (data.inbox) onReceived();
      },
    },
    loadCredentials: async () => (await auth.creds.load()) ?? null,
    saveCredentials: (creds) => auth.creds.save(creds),
    async startOver(creds) {
      // A process that dies in between leaves a device without credentials: WhatsApp has not been answered yet, and takes nothing for paired.
      await auth.clear();
      await auth.creds.save(creds);
    },
    forget: () => auth.clear(),
    async writePhone(phone) {
      await changed("UPDATE devices SET phone = $3 WHERE id = $1 AND node_id = $2 AND phone IS DISTINCT FROM $3", [phone]);
    },
    async showPairing(code, expiresAt) {
      await changed(
        `INSERT INTO device_pairings (device_id, workspace_id, sealed, expires_at)
         SELECT id, workspace_id, $3, $4 FROM devices WHERE id = $1 AND node_id = $2
         ON CONFLICT (device_id) DO UPDATE SET sealed = excluded.sealed, expires_at = excluded.expires_at, updated_at = clock_timestamp()`,
        [sealCode(sealer, id, code), expiresAt],
      );
      onPairing();
    },
    async hidePairing() {
      await changed("DELETE FROM device_pairings WHERE device_id = $1 AND EXISTS (SELECT FROM devices WHERE id = $1 AND node_id = $2)", []);
      onPairing();
    },
    takePairingRequest: (requestedAt) =>
      changed("UPDATE devices SET pairing_requested_at = NULL, pairing_phone = NULL WHERE id = $1 AND node_id = $2 AND pairing_requested_at = $3", [requestedAt]),
    takeLogoutRequest: (requestedAt) =>
      changed("UPDATE devices SET logout_requested_at = NULL, pairing_requested_at = NULL, pairing_phone = NULL WHERE id = $1 AND node_id = $2 AND logout_requested_at = $3", [requestedAt]),
  };
}
