// The WhatsApp transport keeps what every transport has to.

import { setTimeout as delay } from "node:timers/promises";
import { describeTransport, type Fate, messageOf, type Rig } from "../support/transport-contract.ts";
import { ACCOUNT, PERSON, whatsappRig } from "../support/whatsapp.ts";

/** What goes through sockets and Postgres takes its own time, and is to come first where the test moves the clock on. */
const REAL_MS = 60;

const BEHAVIOUR = { accepted: {}, refused: { ack: { refuse: 479 } }, unknown: { ack: "drop", deliverAfterMs: null }, unanswered: { ack: "drop", deliverAfterMs: null } } as const;

async function open(fate: Fate): Promise<Rig> {
  const rig = await whatsappRig();
  rig.fake.behave(BEHAVIOUR[fate]);
  const session = await rig.open(await rig.addDevice(ACCOUNT));
  await session.reaches("ONLINE");
  let wallBy = 0;
  return {
    session,
    clock: {
      ...rig.clock,
      now: () => rig.clock.now() + wallBy,
      async advance(ms) {
        await delay(REAL_MS);
        rig.clock.jump(ms);
      },
      setWall(byMs) {
        wallBy += byMs;
      },
    },
    get statuses() {
      return session.heard.map(({ status, reason }) => [status, reason] as const);
    },
    receipts: session.receipts,
    // What the server did not take was not sent, by its own word.
    wire: async () => rig.fake.witness.of("message").flatMap(({ messageId, error }) => (error === null ? [messageId] : [])),
    message: { ...messageOf(), phone: PERSON },
    stop: rig.stop,
  };
}

describeTransport("WhatsApp", open);
