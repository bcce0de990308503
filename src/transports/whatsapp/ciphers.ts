// Ciphers with key objects. Given a Buffer, Node looks for a key object in it first, and makes an exception where it finds none: 48 µs for a frame that takes
// 18 with a key object made of it each time. Each frame to and from WhatsApp is one, and its client has no other way than by Buffer.

import crypto, { createSecretKey } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

for (const name of ["createCipheriv", "createDecipheriv"] as const) {
  const create = crypto[name] as (cipher: string, key: unknown, ...rest: unknown[]) => unknown;
  Object.assign(crypto, { [name]: (cipher: string, key: unknown, ...rest: unknown[]) => create(cipher, key instanceof Uint8Array ? createSecretKey(key) : key, ...rest) });
}
// Those who have imported them by name have them from now on.
syncBuiltinESMExports();
