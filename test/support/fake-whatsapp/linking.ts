// What the phone of an account signs when it links a device, and how the device is told.

import { createHmac } from "node:crypto";
import { proto } from "baileys";
import type { Companion } from "./accounts.ts";
import { lidJid, phoneJid } from "./addresses.ts";
import { isSignedBy, type SigningKeyPair } from "./keys.ts";
import { type BinaryNode, bytesOf, child, element, seconds, SERVER } from "./stanza.ts";

const ACCOUNT_PREFIX = Buffer.from([6, 0]);
const DEVICE_PREFIX = Buffer.from([6, 1]);

export type LinkedIdentity = {
  readonly account: proto.IADVSignedDeviceIdentity;
  readonly details: Buffer;
};

export function signedIdentity(phoneKey: SigningKeyPair, companion: Companion): LinkedIdentity {
  const details = Buffer.from(
    proto.ADVDeviceIdentity.encode({
      rawId: companion.keys.registrationId,
      timestamp: seconds(),
      keyIndex: companion.device,
      accountType: proto.ADVEncryptionType.E2EE,
      deviceType: proto.ADVEncryptionType.E2EE,
    }).finish(),
  );
  const accountSignature = phoneKey.sign(Buffer.concat([ACCOUNT_PREFIX, details, companion.keys.identityKey]));
  return { details, account: { details, accountSignatureKey: phoneKey.public, accountSignature } };
}

/** `secret` is the one that device and phone share, from the QR code or from the code that was typed in: it shows the device that it is this phone. */
export function pairSuccess(id: string, companion: Companion, identity: LinkedIdentity, secret: Buffer): BinaryNode {
  const details = proto.ADVSignedDeviceIdentity.encode(identity.account).finish();
  const hmac = createHmac("sha256", secret).update(details).digest();
  const { account, device } = companion;
  return element("iq", { from: SERVER, type: "set", id, t: seconds() }, [
    element("pair-success", {}, [
      element("device-identity", {}, proto.ADVSignedDeviceIdentityHMAC.encode({ details, hmac }).finish()),
      element("device", { jid: phoneJid(account, device), lid: lidJid(account, device) }),
      element("platform", { name: "android" }),
    ]),
  ]);
}

/** Whether the device has answered `pairSuccess` with its own signature. */
export function isAccepted(answer: BinaryNode, companion: Companion, { details, account }: LinkedIdentity): boolean {
  const signed = child(child(answer, "pair-device-sign"), "device-identity");
  if (!signed) return false;
  const { deviceSignature } = proto.ADVSignedDeviceIdentity.decode(bytesOf(signed));
  const message = Buffer.concat([DEVICE_PREFIX, details, companion.keys.identityKey, account.accountSignatureKey ?? Buffer.alloc(0)]);
  return isSignedBy(companion.keys.identityKey, message, deviceSignature ?? Buffer.alloc(0));
}
