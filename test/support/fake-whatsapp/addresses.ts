// Everybody has two names: the phone number and WhatsApp's hidden id (LID). Here the one is worked out from the other, so that a server that was
// restarted still knows who is meant by an id that it gave away before.

import { jidDecode } from "baileys";

export type Address = { readonly phone: string; readonly device: number; readonly isLid: boolean };

const MODULUS = 10n ** 15n;
const FACTOR = 618_970_019_642_691n;
const SUMMAND = 271_828_182_845_904n;
const INVERSE = inverse(FACTOR, MODULUS);

/** In front of each LID, so that it is as long as real ones are and never looks like a number. */
const LID_PREFIX = "2";

const lidUser = (phone: string): string => LID_PREFIX + String((BigInt(phone) * FACTOR + SUMMAND) % MODULUS).padStart(15, "0");

export const phoneJid = (phone: string, device = 0): string => `${phone}${device === 0 ? "" : `:${device}`}@s.whatsapp.net`;
export const lidJid = (phone: string, device = 0): string => `${lidUser(phone)}${device === 0 ? "" : `:${device}`}@lid`;

/** Undefined for groups, broadcasts, and whatever else is no person. */
export function addressOf(jid: string | undefined): Address | undefined {
  const decoded = jidDecode(jid);
  if (!decoded || !/^\d{1,16}$/.test(decoded.user)) return undefined;
  const device = decoded.device ?? 0;
  if (decoded.server === "s.whatsapp.net" || decoded.server === "c.us") return { phone: decoded.user, device, isLid: false };
  if (decoded.server === "lid") return { phone: phoneOfLid(decoded.user), device, isLid: true };
  return undefined;
}

/** The jid of the same person, or of one of its devices, by the name that it was called by. */
export const jidLike = (address: Address, device = 0): string => (address.isLid ? lidJid(address.phone, device) : phoneJid(address.phone, device));

function phoneOfLid(user: string): string {
  const scrambled = BigInt(user.slice(LID_PREFIX.length)) - SUMMAND;
  return String((((scrambled % MODULUS) + MODULUS) * INVERSE) % MODULUS);
}

/** By Euclid. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [remainder, next] = [modulus, value];
  let [coefficient, nextCoefficient] = [0n, 1n];
  while (next !== 0n) {
    const quotient = remainder / next;
    [remainder, next] = [next, remainder - quotient * next];
    [coefficient, nextCoefficient] = [nextCoefficient, coefficient - quotient * nextCoefficient];
  }
  return ((coefficient % modulus) + modulus) % modulus;
}
