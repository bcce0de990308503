// Clients that want to be linked: they show a QR code or a code of eight characters, and somebody with a phone scans the one or types in the other.

import { randomBytes } from "node:crypto";
import type { proto } from "baileys";
import type { Accounts, Companion, DeviceKeys } from "./accounts.ts";
import { addressOf, phoneJid } from "./addresses.ts";
import type { Connection } from "./connection.ts";
import { isSignedBy, typed } from "./keys.ts";
import { enterLinkCode, type LinkCode } from "./link-code.ts";
import { isAccepted, pairSuccess, signedIdentity } from "./linking.ts";
import type { People } from "./people.ts";
import type { Sessions } from "./sessions.ts";
import { type BinaryNode, bytesOf, child, element, SERVER } from "./stanza.ts";
import type { Witness } from "./witness.ts";

/** A client that is not linked yet. */
export type Registration = {
  readonly connection: Connection;
  readonly keys: DeviceKeys;
  readonly refs: readonly string[];
  /** It shows a code for this number. */
  codeFor: { readonly phone: string; readonly wrappedKey: Buffer; readonly ref: string } | undefined;
  /** Waits for a stanza of the client's, by what `isMeant` says. */
  awaited: { isMeant(node: BinaryNode): boolean; resolve(node: BinaryNode): void; reject(error: Error): void } | undefined;
};

export interface Pairing {
  begin(connection: Connection, data: proto.ClientPayload.IDevicePairingRegistrationData, noiseKey: Buffer): Registration;
  received(registration: Registration, node: BinaryNode): void;
  ended(registration: Registration): void;
  /** Somebody scans this code with the phone of that number. Resolves when the device is linked and was told to come back. */
  scan(qr: string, phone: string): Promise<Companion>;
  /** Somebody types this code into the phone of that number, as soon as a client shows one for it. */
  enterCode(code: string, phone: string): Promise<Companion>;
}

type Options = { readonly accounts: Accounts; readonly people: People; readonly sessions: Sessions; readonly witness: Witness };

/** As many as the client shows one after the other. */
const REFS = 6;
const COME_BACK = 515;
const SHOWN_WITHIN_MS = 5000;

export function createPairing(options: Options): Pairing {
  const { people, witness } = options;
  const registrations = new Set<Registration>();

  const find = (isMeant: (registration: Registration) => boolean, what: string) => {
    // The latest: one that was given up may still be connected.
    const found = [...registrations].findLast(isMeant);
    if (!found) throw new Error(`no client shows this ${what}`);
    return found;
  };

  return {
    begin(connection, data, noiseKey) {
      const refs = Array.from({ length: REFS }, () => randomBytes(24).toString("base64url"));
      const registration: Registration = { connection, keys: keysOf(data, noiseKey), refs, codeFor: undefined, awaited: undefined };
      registrations.add(registration);
      witness.record({ kind: "registration", connection: connection.id });
      const content = refs.map((ref) => element("ref", {}, Buffer.from(ref)));
      connection.send(element("iq", { from: SERVER, type: "set", id: `pair-device-${connection.id}` }, [element("pair-device", {}, content)]));
      return registration;
    },
    received(registration, node) {
      if (registration.awaited?.isMeant(node)) registration.awaited.resolve(node);
      const request = child(node, "link_code_companion_reg");
      if (!request) return;
      if (request.attrs["stage"] === "companion_hello") showCode(registration, node, request, witness);
      else registration.connection.send(resultOf(node));
    },
    ended(registration) {
      registrations.delete(registration);
      registration.awaited?.reject(new Error("the device has gone"));
    },
    async scan(qr, phone) {
      const [ref = "", noiseKey = "", identityKey = "", secret = ""] = (qr.split("#").at(-1) ?? "").split(",");
      const registration = find(({ refs }) => refs.includes(ref), "QR code");
      const { keys } = registration;
      if (keys.noiseKey.toString("base64") !== noiseKey || keys.identityKey.toString("base64") !== identityKey) throw new Error("the QR code names other keys");
      return link(options, registration, phone, { secret: Buffer.from(secret, "base64"), by: "qr" });
    },
    async enterCode(code, phone) {
      // Its client may have written down already that it shows one while we have not read it yet.
      const shown = await witness.waitFor("code shown", (entry) => entry.account === phone, { withinMs: SHOWN_WITHIN_MS }).catch(() => undefined);
      const registration = find(({ codeFor }) => shown !== undefined && codeFor?.phone === phone, "code");
      const { wrappedKey, ref } = registration.codeFor ?? { wrappedKey: Buffer.alloc(0), ref: "" };
      const phoneKey = people.phoneOf(phone).identity;
      const linkCode = await enterLinkCode(code.replaceAll("-", "").toUpperCase(), wrappedKey, phoneKey);
      const finished = answerTo(registration, (node) => child(node, "link_code_companion_reg")?.attrs["stage"] === "companion_finish");
      registration.connection.send(primaryHello(registration.connection.id, linkCode, phoneKey.public, ref));
      const finish = child(await finished, "link_code_companion_reg");
      const secret = linkCode.finish(bytesOf(child(finish, "link_code_pairing_wrapped_key_bundle")), bytesOf(child(finish, "companion_identity_public")));
      return link(options, registration, phone, { secret, by: "code" });
    },
  };
}

type Proof = { readonly secret: Buffer; readonly by: "qr" | "code" };

async function link({ accounts, people, sessions, witness }: Options, registration: Registration, phone: string, { secret, by }: Proof): Promise<Companion> {
  const { connection, keys } = registration;
  const companion = accounts.link(phone, keys);
  const identity = signedIdentity(people.phoneOf(phone).identity, companion);
  const id = `pair-${connection.id}`;
  const answered = answerTo(registration, (node) => node.tag === "iq" && node.attrs["id"] === id);
  connection.send(pairSuccess(id, companion, identity, secret));
  try {
    if (!isAccepted(await answered, companion, identity)) throw new Error("the device's signature is wrong");
  } catch (error) {
    accounts.unlink(companion);
    throw error;
  }
  witness.record({ kind: "paired", connection: connection.id, account: phone, device: phoneJid(phone, companion.device), by });
  sessions.throwStreamError(connection, phone, COME_BACK);
  return companion;
}

function answerTo(registration: Registration, isMeant: (node: BinaryNode) => boolean): Promise<BinaryNode> {
  return new Promise((resolve, reject) => {
    registration.awaited = { isMeant, resolve, reject };
  });
}

function showCode(registration: Registration, node: BinaryNode, request: BinaryNode, witness: Witness): void {
  const ref = randomBytes(24).toString("base64url");
  const wrappedKey = bytesOf(child(request, "link_code_pairing_wrapped_companion_ephemeral_pub"));
  const phone = addressOf(request.attrs["jid"])?.phone;
  if (phone === undefined) return;
  registration.codeFor = { phone, wrappedKey, ref };
  witness.record({ kind: "code shown", connection: registration.connection.id, account: phone });
  const answer = element("link_code_companion_reg", { stage: "companion_hello" }, [element("link_code_pairing_ref", {}, Buffer.from(ref))]);
  registration.connection.send(resultOf(node, [answer]));
}

function primaryHello(id: number, linkCode: LinkCode, identityKey: Buffer, ref: string): BinaryNode {
  return element("notification", { from: SERVER, type: "link_code_companion_reg", id: `link-code-${id}` }, [
    element("link_code_companion_reg", { stage: "primary_hello" }, [
      element("link_code_pairing_wrapped_primary_ephemeral_pub", {}, linkCode.wrappedKey),
      element("primary_identity_pub", {}, identityKey),
      element("link_code_pairing_ref", {}, Buffer.from(ref)),
    ]),
  ]);
}

export function resultOf(query: BinaryNode, content?: BinaryNode[]): BinaryNode {
  return element("iq", { from: SERVER, type: "result", id: query.attrs["id"] }, content);
}

function keysOf(data: proto.ClientPayload.IDevicePairingRegistrationData, noiseKey: Buffer): DeviceKeys {
  const number = (bytes: Uint8Array | null | undefined) => (bytes?.length ? Buffer.from(bytes).readUIntBE(0, bytes.length) : 0);
  const identityKey = Buffer.from(data.eIdent ?? []);
  const publicKey = Buffer.from(data.eSkeyVal ?? []);
  const signature = Buffer.from(data.eSkeySig ?? []);
  if (!isSignedBy(identityKey, typed(publicKey), signature)) throw new Error("the signed pre-key is not signed by the identity");
  return { noiseKey, identityKey, registrationId: number(data.eRegid), signedPreKey: { id: number(data.eSkeyId), publicKey, signature } };
}
