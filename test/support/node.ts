// A node with all that it needs, without the HTTP part.

import { randomUUID } from "node:crypto";
import type pg from "pg";
import type { ProcessIdentity } from "../../src/dispatcher/membership.ts";
import { NO_OBSERVER } from "../../src/dispatcher/observer.ts";
import { type Node, type NodeSettings, startNode } from "../../src/dispatcher/node.ts";
import { type Bell, createBell } from "../../src/events/bell.ts";
import { createMessageIds, type MessageIds } from "../../src/flows/message-id.ts";
import { type Clock, systemClock } from "../../src/lib/clock.ts";
import type { Logger } from "../../src/lib/logger.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { createSimulator } from "../../src/transports/simulator.ts";
import type { Transport } from "../../src/transports/transport.ts";
import { one, silent } from "./factories.ts";

export type TestNodeOptions = {
  readonly pool: pg.Pool;
  readonly clock?: Clock;
  readonly transport?: Transport;
  readonly bell?: Bell;
  readonly process?: ProcessIdentity;
  readonly logger?: Logger;
  readonly settings?: Partial<NodeSettings>;
  readonly onFatal?: (error: unknown) => void;
};

export async function messageIdsOf(pool: pg.Pool): Promise<MessageIds> {
  return createMessageIds((await one<{ message_id_key: Buffer }>(pool, "SELECT message_id_key FROM installation")).message_id_key);
}

export type TestNode = Node & { readonly bell: Bell; readonly messageIds: MessageIds };

export async function startTestNode(options: TestNodeOptions): Promise<TestNode> {
  const { pool, clock = systemClock, bell = createBell(), logger = silent, onFatal = () => {} } = options;
  const messageIds = await messageIdsOf(pool);
  const transport = options.transport ?? createSimulator({ clock, logFile: undefined });
  const node = await startNode({
    pool,
    clock,
    random: seededRandom("test"),
    newId: randomUUID,
    logger,
    bell,
    messageIds,
    observer: NO_OBSERVER,
    // Tests end a node without its process: nothing of it goes on.
    process: options.process ?? { name: "test", isGone: () => true },
    transports: { SIMULATOR: transport, WHATSAPP: transport },
    settings: {
      nodeName: "node",
      dispatchIntervalMs: 50,
      claimBatch: 10_000,
      sendConcurrency: 100,
      maxDevices: 3000,
      enrollBatch: 1000,
      enrollPerSecond: 100_000,
      minStepDelayHours: 0,
      stuckMs: 300_000,
      workerIdleMs: 300_000,
      ...options.settings,
    },
    onFatal,
  });
  return { ...node, bell, messageIds };
}
