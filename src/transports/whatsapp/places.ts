// What sealed bytes are bound to: copied into another row, they do not open.

type OfDevice = { readonly workspaceId: string; readonly deviceId: string };

const place = (kind: string, { workspaceId, deviceId }: OfDevice, name = "") => `${kind}/${workspaceId}/${deviceId}/${name}`;

export const credentialsPlace = (device: OfDevice) => place("credentials", device);
/** `name` is the hash of its kind and name: whoever seals all anew knows no other. */
export const keyPlace = (device: OfDevice, name: Buffer) => place("key", device, name.toString("hex"));
export const inboxPlace = (device: OfDevice, messageId: string) => place("inbox", device, messageId);
