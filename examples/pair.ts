// `npm run pair`: makes a WhatsApp device and draws the QR code that links it to a phone. `npm run pair -- --phone +60123456789` asks for a code to be typed
// on that phone instead; `--device Device:…` pairs one that is there already; `--name` names a new one.

import { parseArgs } from "node:util";
import { createClient } from "graphql-ws";
import { renderUnicodeCompact } from "uqr";
import {
  CreateDeviceDocument,
  DevicePairingDocument,
  type DevicePairingSubscription,
  DeviceToPairDocument,
  PairDeviceDocument,
} from "../schema/client/graphql.ts";
import { ask, fail, readToken, SERVER_URL } from "./local-server.ts";

const url = `${SERVER_URL}/graphql`;

type Pairing = DevicePairingSubscription["devicePairing"];

function readArguments() {
  try {
    return parseArgs({ options: { name: { type: "string", default: "My WhatsApp" }, phone: { type: "string" }, device: { type: "string" } } }).values;
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : String(error)}\nUsage: npm run pair -- [--name "Shop"] [--phone +60123456789] [--device Device:…]`);
  }
}

const authorization = `Bearer ${await readToken()}`;

const refuse = (errors: readonly { readonly message: string }[]) => errors[0] && fail(errors[0].message);

async function makeDevice(name: string): Promise<string> {
  const { createDevice } = await ask(authorization, CreateDeviceDocument, { input: { name, transport: "WHATSAPP" } });
  refuse(createDevice.userErrors);
  return createDevice.device?.id ?? fail("The server made no device.");
}

async function requestPairing(id: string, phone: string | undefined): Promise<void> {
  const { pairDevice } = await ask(authorization, PairDeviceDocument, { id, phone: phone ?? null });
  refuse(pairDevice.userErrors);
}

function show({ status, qr, code }: Pairing): void {
  if (qr) console.log(`\n${renderUnicodeCompact(qr)}\nOn the phone: WhatsApp, Settings, Linked devices, Link a device. Then point it here.`);
  else if (code) console.log(`\n  ${code.slice(0, 4)}-${code.slice(4)}\n\nOn the phone: WhatsApp, Settings, Linked devices, Link a device, Link with phone number instead. Then type this.`);
  else console.log(`The device is ${status}.`);
}

/** Ends with the pairing: it is online, or nobody came. */
async function follow(deviceId: string, onListening: () => Promise<void>): Promise<Pairing["status"]> {
  const client = createClient({ url: url.replace(/^http/, "ws"), connectionParams: { Authorization: authorization }, retryAttempts: 0 });
  let hasBegun = false;
  for await (const { data, errors } of client.iterate<DevicePairingSubscription>({ query: DevicePairingDocument.toString(), variables: { deviceId } })) {
    if (!data) return fail(errors?.[0]?.message ?? "The server ended the subscription.");
    const pairing = data.devicePairing;
    if (!hasBegun) {
      hasBegun = true;
      await onListening();
      continue;
    }
    show(pairing);
    if (pairing.status === "ONLINE" || (pairing.status !== "PAIRING" && pairing.status !== "CONNECTING" && pairing.status !== "OFFLINE")) return pairing.status;
  }
  return fail("The server ended the subscription.");
}

const { name, phone, device } = readArguments();
const id = device ?? (await makeDevice(name));
const ended = await follow(id, () => requestPairing(id, phone));
const { device: paired } = await ask(authorization, DeviceToPairDocument, { id });
if (ended !== "ONLINE") fail(paired?.statusReason ?? `The device is ${ended}.`);
console.log(`${paired?.name} is linked. Its id is ${id}.`);
process.exit(0);
