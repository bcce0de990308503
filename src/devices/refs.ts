import { builder } from "../graphql/builder.ts";
import { nodeRef } from "../graphql/node.ts";
import { devicesById, type Device, type DeviceStatus } from "./service.ts";

const STATUSES = {
  UNPAIRED: { description: "Nobody has linked it to an account yet." },
  PAIRING: { description: "Its codes are being shown by devicePairing." },
  CONNECTING: { description: "On its way to be connected." },
  ONLINE: { description: "Connected: it sends, unless it is paused or at its limits." },
  OFFLINE: { description: "Disconnected; it comes back by itself." },
  LOGGED_OUT: { description: "Unlinked on its phone or by logoutDevice. It has to be paired again." },
  REPLACED: { description: "Another connection took its session over." },
  RESTRICTED: { description: "WhatsApp restricts what it may send. People it has written with are still answered; first contacts bound to it wait." },
  BANNED: { description: "WhatsApp has closed its account." },
} as const satisfies Record<DeviceStatus, { description: string }>;

export const DeviceStatusEnum = builder.enumType("DeviceStatus", {
  description: "Whether a device is connected. UNPAIRED, LOGGED_OUT, REPLACED and BANNED last until somebody does something; the others change by themselves.",
  values: STATUSES,
});

export const DeviceRef = nodeRef<Device>("Device", (ids, { db }) => devicesById(db, ids));
