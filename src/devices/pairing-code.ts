import type { Sealer } from "../lib/sealing.ts";

/** What is shown to whoever pairs a device: the content of a QR code, or eight characters to type. */
export type PairingCode = { readonly qr: string } | { readonly code: string };

const placeOf = (deviceId: string) => `device_pairings ${deviceId}`;

export const sealCode = (sealer: Sealer, deviceId: string, code: PairingCode): Buffer => sealer.seal(Buffer.from(JSON.stringify(code)), placeOf(deviceId));

export const openCode = (sealer: Sealer, deviceId: string, sealed: Buffer): PairingCode => JSON.parse(sealer.open(sealed, placeOf(deviceId)).toString());
