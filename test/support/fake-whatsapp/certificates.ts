// The chain by which a server shows that it is WhatsApp's: the root signs the intermediate, the intermediate signs the leaf, and the leaf is the key of
// the handshake.

import { proto } from "baileys";
import { keyPair, type KeyPair, seedOf, signingKeyPair } from "./keys.ts";

export type ServerIdentity = {
  /** Clients that know it know the server: hexadecimal. */
  readonly rootKey: string;
  readonly handshakeKey: KeyPair;
  readonly chain: Buffer;
};

/** The serial that clients demand of the intermediate's issuer. */
const ROOT_SERIAL = 0;
const INTERMEDIATE_SERIAL = 1;

/** `isForged`: the chain is whole in itself, and signed by a root that is not `rootKey`. */
export function serverIdentity(seed: string, { isForged = false } = {}): ServerIdentity {
  const root = signingKeyPair(seedOf(seed, "root"));
  const signer = isForged ? signingKeyPair(seedOf(seed, "another root")) : root;
  const intermediate = signingKeyPair(seedOf(seed, "intermediate"));
  const leaf = keyPair(seedOf(seed, "leaf"));
  const intermediateDetails = details({ serial: INTERMEDIATE_SERIAL, issuerSerial: ROOT_SERIAL, key: intermediate.public });
  const leafDetails = details({ serial: 2, issuerSerial: INTERMEDIATE_SERIAL, key: leaf.public });
  const chain = proto.CertChain.encode({
    intermediate: { details: intermediateDetails, signature: signer.sign(intermediateDetails) },
    leaf: { details: leafDetails, signature: intermediate.sign(leafDetails) },
  }).finish();
  return { rootKey: root.public.toString("hex"), handshakeKey: leaf, chain: Buffer.from(chain) };
}

function details(fields: { serial: number; issuerSerial: number; key: Buffer }): Uint8Array {
  return proto.CertChain.NoiseCertificate.Details.encode(fields).finish();
}
