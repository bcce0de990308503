import { builder } from "../graphql/builder.ts";
import { badUserInput } from "../graphql/errors.ts";
import { payload } from "../graphql/payload.ts";
import { DevicePayload } from "./graphql.ts";
import { followPairing, logoutDevice, pairDevice, type Pairing } from "./pairing.ts";
import { DeviceRef, DeviceStatusEnum } from "./refs.ts";

builder.mutationFields((t) => ({
  pairDevice: t.field({
    type: DevicePayload,
    description:
      "Needs PAIR. Starts pairing; the codes come by the subscription devicePairing. With a phone, an eight-character code is asked for instead of a QR code.",
    authScopes: { pair: true },
    skipTypeScopes: true,
    args: { id: t.arg.globalID({ required: true, for: DeviceRef }), phone: t.arg({ type: "PhoneNumber" }) },
    resolve: (_root, { id, phone }, context) => payload(pairDevice(context, id.id, phone)),
  }),
  logoutDevice: t.field({
    type: DevicePayload,
    description: "Needs PAIR.",
    authScopes: { pair: true },
    skipTypeScopes: true,
    args: { id: t.arg.globalID({ required: true, for: DeviceRef }) },
    resolve: (_root, { id }, context) => payload(logoutDevice(context, id.id)),
  }),
}));

const DevicePairing = builder.objectRef<Pairing>("DevicePairing").implement({
  fields: (t) => ({
    status: t.expose("status", { type: DeviceStatusEnum }),
    qr: t.exposeString("qr", { nullable: true, description: "What a QR code shows; replaced as WhatsApp rotates it." }),
    code: t.exposeString("code", { nullable: true, description: "The eight characters to type on the phone." }),
    expiresAt: t.expose("expiresAt", { type: "DateTime", nullable: true }),
  }),
});

builder.subscriptionFields((t) => ({
  devicePairing: t.field({
    type: DevicePairing,
    description: "Needs PAIR. Never replayed.",
    authScopes: { pair: true },
    skipTypeScopes: true,
    args: { deviceId: t.arg.globalID({ required: true, for: DeviceRef }) },
    async *subscribe(_root, { deviceId }, context) {
      let isKnown = false;
      for await (const pairing of followPairing(context, deviceId.id)) {
        isKnown = true;
        yield pairing;
      }
      if (!isKnown && !context.signal.aborted) throw badUserInput("There is no device with this id.");
    },
    resolve: (pairing) => pairing,
  }),
}));
