// An operator's requests to pair or log out a device, and what is shown while it is being paired. The node that holds the device carries them out.

import { and, eq, sql } from "drizzle-orm";
import { devicePairings } from "../db/tables/whatsapp.ts";
import { devices } from "../db/tables/devices.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import type { Bell } from "../events/bell.ts";
import { parsePhone } from "../leads/phone.ts";
import { defaultCountryOf } from "../leads/write.ts";
import { SECOND_MS } from "../lib/clock.ts";
import { invalid, ok, refused, type Result } from "../lib/errors.ts";
import type { Sealer } from "../lib/sealing.ts";
import { openCode } from "./pairing-code.ts";
import type { DeviceStatus } from "./service.ts";

export type PairingWrites = { readonly db: WorkspaceDb; readonly bell: Bell };

/** What is to be shown now. */
export type Pairing = { readonly status: DeviceStatus; readonly qr: string | null; readonly code: string | null; readonly expiresAt: Date | null };

/** A code that is shown on another node rings no bell here. */
const LOOK_MS = SECOND_MS;

/** These can be paired, or paired anew. */
const PAIRABLE: readonly string[] = ["UNPAIRED", "PAIRING", "LOGGED_OUT", "REPLACED", "BANNED"] satisfies DeviceStatus[];

/** With `phone`, by a code to be typed on that phone; else by a QR code. */
export async function pairDevice({ db, bell }: PairingWrites, id: string, phone: string | null | undefined): Promise<Result<string>> {
  const result = await db.write(async (tx) => {
    const [device] = await tx.select({ transport: devices.transport, status: devices.status }).from(devices).where(own(db, id)).for("update");
    if (device === undefined) return notFound();
    if (device.transport !== "WHATSAPP") return refused(invalid("Only a WhatsApp device is paired; a simulated one is ready as it is.", "id"));
    if (!PAIRABLE.includes(device.status)) return refused({ code: "INVALID_STATE", message: `It is paired already, and ${device.status}. Log it out first to pair it anew.`, field: ["id"] });
    let digits: string | null = null;
    if (phone != null) {
      const parsed = parsePhone(phone, await defaultCountryOf(tx, db.id));
      if (!parsed.ok) return refused(invalid(`${parsed.reason}.`, "phone"));
      digits = parsed.phone;
    }
    await tx.update(devices).set({ pairingRequestedAt: sql`clock_timestamp()`, pairingPhone: digits }).where(own(db, id));
    return ok(id);
  });
  if (result.ok) bell.ring("devices");
  return result;
}

/** Unlinks it from its account, and forgets its credentials. */
export async function logoutDevice({ db, bell }: PairingWrites, id: string): Promise<Result<string>> {
  const result = await db.write(async (tx) => {
    const [device] = await tx.select({ transport: devices.transport, status: devices.status }).from(devices).where(own(db, id)).for("update");
    if (device === undefined) return notFound();
    if (device.transport !== "WHATSAPP") return refused(invalid("Only a WhatsApp device is logged out; a simulated one has no account.", "id"));
    if (device.status === "UNPAIRED") return refused({ code: "INVALID_STATE", message: "It has not been paired.", field: ["id"] });
    await tx.update(devices).set({ logoutRequestedAt: sql`clock_timestamp()` }).where(own(db, id));
    return ok(id);
  });
  if (result.ok) bell.ring("devices");
  return result;
}

const own = (db: WorkspaceDb, id: string) => and(eq(devices.workspaceId, db.id), eq(devices.id, id));
const notFound = () => refused({ code: "NOT_FOUND", message: "There is no device with this id.", field: ["id"] });

export type FollowPairing = { readonly db: WorkspaceDb; readonly bell: Bell; readonly sealer: Sealer; readonly signal: AbortSignal };

/** How it stands now, and each change of it from then on; nothing where there is no such device. */
export async function* followPairing({ db, bell, sealer, signal }: FollowPairing, id: string): AsyncGenerator<Pairing> {
  let shown = "";
  while (!signal.aborted) {
    const rung = nextRing(bell, signal);
    const found = await readPairing(db, sealer, id);
    if (found === undefined) return rung.cancel();
    const text = JSON.stringify(found);
    if (text !== shown) yield found;
    shown = text;
    await rung.heard;
  }
}

async function readPairing(db: WorkspaceDb, sealer: Sealer, id: string): Promise<Pairing | undefined> {
  const [row] = await db.read((tx) =>
    tx
      .select({ status: devices.status, sealed: devicePairings.sealed, expiresAt: devicePairings.expiresAt })
      .from(devices)
      .leftJoin(devicePairings, and(eq(devicePairings.deviceId, devices.id), sql`${devicePairings.expiresAt} > now()`))
      .where(own(db, id)),
  );
  if (row === undefined) return undefined;
  const shown = row.sealed && openCode(sealer, id, row.sealed);
  return { status: row.status as DeviceStatus, qr: shown && "qr" in shown ? shown.qr : null, code: shown && "code" in shown ? shown.code : null, expiresAt: row.expiresAt };
}

/** Begin before the look: what changes after it is heard. */
function nextRing(bell: Bell, signal: AbortSignal): { readonly heard: Promise<void>; cancel(): void } {
  let cancel = () => {};
  const heard = new Promise<void>((resolve) => {
    const silences = [bell.listen("pairing", () => cancel()), bell.listen("events", () => cancel())];
    const timer = setTimeout(() => cancel(), LOOK_MS);
    cancel = () => {
      clearTimeout(timer);
      for (const silence of silences) silence();
      signal.removeEventListener("abort", cancel);
      resolve();
    };
    signal.addEventListener("abort", cancel, { once: true });
  });
  return { heard, cancel };
}
