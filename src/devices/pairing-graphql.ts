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
    args: {
      id: t.arg.globalID({ required: true, for: DeviceRef }),
      phone: t.arg({ type: "PhoneNumber", description: "The number of the account, for a code to be typed on its phone. A QR code where it is left out." }),
    },
    resolve: (_root, { id, phone }, context) => payload(pairDevice(context, id.id, phone)),
  }),
  logoutDevice: t.field({
    type: DevicePayload,
    description: "Needs PAIR. Unlinks a WhatsApp device from its account and forgets its credentials; it becomes LOGGED_OUT. It keeps its settings, and can be paired again.",
    authScopes: { pair: true },
    skipTypeScopes: true,
    args: { id: t.arg.globalID({ required: true, for: DeviceRef }) },
    resolve: (_root, { id }, context) => payload(logoutDevice(context, id.id)),
  }),
}));

const DevicePairing = builder.objectRef<Pairing>("DevicePairing").implement({
  description: "How pairing stands, with the code to be shown now.",
  fields: (t) => ({
    status: t.expose("status", { type: DeviceStatusEnum, description: "The device's status: PAIRING while codes are shown, and ONLINE once it is linked." }),
    qr: t.exposeString("qr", { nullable: true, description: "What a QR code shows; replaced as WhatsApp rotates it." }),
    code: t.exposeString("code", { nullable: true, description: "The eight characters to type on the phone." }),
    expiresAt: t.expose("expiresAt", {
      type: "DateTime",
      nullable: true,
      description: "Until when the code is good; another one follows by itself while pairing lasts. Null while there is none.",
    }),
  }),
});

builder.subscriptionFields((t) => ({
  devicePairing: t.field({
    type: DevicePairing,
    description: "Needs PAIR. Never replayed.",
    authScopes: { pair: true },
    skipTypeScopes: true,
    args: { deviceId: t.arg.globalID({ required: true, for: DeviceRef, description: "The device that is being paired." }) },
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
