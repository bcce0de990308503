// `npm run pair`: makes a WhatsApp device and draws the QR code that links it to a phone. `npm run pair -- --phone +60123456789` asks for a code to be typed
// on that phone instead; `--device Device:…` pairs one that is there already; `--name` names a new one.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createClient } from "graphql-ws";
import { renderUnicodeCompact } from "uqr";
import {
  CreateDeviceDocument,
  DevicePairingDocument,
  type DevicePairingSubscription,
  DeviceToPairDocument,
  PairDeviceDocument,
  type TypedDocumentString,
} from "../schema/client/graphql.ts";

const { HOST = "127.0.0.1", PORT = "4000", RENTAK_DATA_DIR = ".rentak", RENTAK_ADMIN_TOKEN } = process.env;
const url = `http://${HOST}:${PORT}/graphql`;

type Pairing = DevicePairingSubscription["devicePairing"];

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

function readArguments() {
  try {
    return parseArgs({ options: { name: { type: "string", default: "My WhatsApp" }, phone: { type: "string" }, device: { type: "string" } } }).values;
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : String(error)}\nUsage: npm run pair -- [--name "Shop"] [--phone +60123456789] [--device Device:…]`);
  }
}

async function readToken(): Promise<string> {
  const file = join(RENTAK_DATA_DIR, "admin-token");
  return (RENTAK_ADMIN_TOKEN ?? (await readFile(file, "utf8").catch(() => fail(`No token in ${file}: start the server first, with \`npm start\`.`)))).trim();
}

const authorization = `Bearer ${await readToken()}`;

async function ask<T, V>(query: TypedDocumentString<T, V>, variables: V): Promise<T> {
  const response = await fetch(url, { method: "POST", headers: { authorization, "content-type": "application/json" }, body: JSON.stringify({ query, variables }) }).catch(() =>
    fail(`Nothing answers at ${url}: start the server first, with \`npm start\`.`),
  );
  const { data, errors } = (await response.json()) as { data: T; errors?: readonly { message: string }[] };
  return errors?.[0] ? fail(errors[0].message) : data;
}

const refuse = (errors: readonly { readonly message: string }[]) => errors[0] && fail(errors[0].message);

async function makeDevice(name: string): Promise<string> {
  const { createDevice } = await ask(CreateDeviceDocument, { input: { name, transport: "WHATSAPP" } });
  refuse(createDevice.userErrors);
  return createDevice.device?.id ?? fail("The server made no device.");
}

async function requestPairing(id: string, phone: string | undefined): Promise<void> {
  const { pairDevice } = await ask(PairDeviceDocument, { id, phone: phone ?? null });
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
const { device: paired } = await ask(DeviceToPairDocument, { id });
if (ended !== "ONLINE") fail(paired?.statusReason ?? `The device is ${ended}.`);
console.log(`${paired?.name} is linked. Its id is ${id}.`);
process.exit(0);
