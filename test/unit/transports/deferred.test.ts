import { expect, test } from "vitest";
import { createDeadline } from "../../../src/lib/deadline.ts";
import { deferTransport, type Stoppable } from "../../../src/transports/deferred.ts";
import { createManualClock } from "../../support/clocks.ts";
import { createPuppet } from "../../support/puppet.ts";

const clock = createManualClock();
const device = { id: "device" } as never;
const message = { flowId: "0190f000-0000-7000-8000-000000000001", messageId: "3EB01", phone: "60123456789", text: "Hello", media: null };
const send = (session: ReturnType<Stoppable["open"]>) => session.send(message, createDeadline(clock, 10_000));

function rig() {
  const puppet = createPuppet(clock);
  let loads = 0;
  let loaded = () => {};
  let failed = (_error: Error) => {};
  const heard: string[] = [];
  const errors: unknown[] = [];
  const load = () => {
    loads += 1;
    return new Promise<Stoppable>((resolve, reject) => {
      loaded = () => resolve({ ...puppet, stop: async () => void heard.push("stopped") });
      failed = reject;
    });
  };
  const transport = deferTransport(load, (error) => errors.push(error));
  const listener = { status: (status: string) => void heard.push(status), receipt() {}, mayAnswer: () => true };
  return { transport, open: () => transport.open(() => device, listener), heard, errors, loads: () => loads, load: () => loaded(), fail: (error: Error) => failed(error), puppet };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("it is loaded with its first device, once, and not before", async () => {
  const { open, loads, load, puppet } = rig();
  expect(loads()).toBe(0);
  const [first, second] = [open(), open()];
  expect(loads()).toBe(1);
  expect(await send(first)).toMatchObject({ kind: "refused", code: "DEVICE_DISCONNECTED" });
  load();
  await turn();
  expect(await send(first)).toMatchObject({ kind: "accepted" });
  expect(await send(second)).toMatchObject({ kind: "accepted" });
  expect([loads(), puppet.opened()]).toEqual([1, 2]);
});

test("a device that is closed while it is loaded is never opened", async () => {
  const { open, load, puppet } = rig();
  const session = open();
  const closed = session.close();
  load();
  await closed;
  expect(puppet.opened()).toBe(0);
});

test("where it cannot be loaded its devices say so, and the next one tries again", async () => {
  const { open, fail, load, heard, errors, loads } = rig();
  open();
  fail(new Error("not there"));
  await turn();
  expect(heard).toEqual(["OFFLINE"]);
  expect(errors).toMatchObject([{ message: "not there" }]);
  open();
  load();
  await turn();
  expect(heard.at(-1)).toBe("ONLINE");
  expect(loads()).toBe(2);
});

test("it is stopped where it was loaded, and not loaded to be stopped", async () => {
  const first = rig();
  await first.transport.stop();
  expect(first.loads()).toBe(0);
  const second = rig();
  second.open();
  second.load();
  await second.transport.stop();
  expect(second.heard).toContain("stopped");
});
