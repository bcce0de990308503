// The people on WhatsApp: whoever is asked for is there, with keys of their own, unless it is said that they are not.

import { createSignalDevice, type SignalDevice } from "./signal-device.ts";

export type Person = {
  readonly phone: string;
  /** Its phone is device 0. */
  readonly devices: ReadonlyMap<number, SignalDevice>;
};

export interface People {
  /** Undefined where the number is not on WhatsApp. */
  find(phone: string): Person | undefined;
  /** The phone of whoever owns a number, be it on WhatsApp for others or not. */
  phoneOf(phone: string): SignalDevice;
  setAbsent(phone: string, isAbsent: boolean): void;
  setDevices(phone: string, count: number): void;
  readonly absent: ReadonlySet<string>;
  readonly all: Iterable<Person>;
}

/** Of the people's own devices; those of a linked account are numbered from 1. */
const FIRST_COMPANION = 20;

export function createPeople(absentNow: Iterable<string> = []): People {
  const people = new Map<string, { phone: string; devices: Map<number, SignalDevice> }>();
  const absent = new Set(absentNow);

  const person = (phone: string) => {
    let known = people.get(phone);
    if (!known) people.set(phone, (known = { phone, devices: new Map([[0, createSignalDevice("person", phone, 0)]]) }));
    return known;
  };

  return {
    find: (phone) => (absent.has(phone) ? undefined : person(phone)),
    phoneOf: (phone) => person(phone).devices.get(0) as SignalDevice,
    setAbsent: (phone, isAbsent) => void (isAbsent ? absent.add(phone) : absent.delete(phone)),
    setDevices(phone, count) {
      const { devices } = person(phone);
      for (const device of devices.keys()) if (device !== 0) devices.delete(device);
      for (let device = FIRST_COMPANION; device < FIRST_COMPANION + count - 1; device++) devices.set(device, createSignalDevice("person", phone, device));
    },
    absent,
    all: { [Symbol.iterator]: () => people.values() },
  };
}
