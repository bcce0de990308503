// The WhatsApp transport with the real client, a real Postgres and the fake server, without a dispatcher: sessions are opened by the test.

import { randomBytes, randomUUID } from "node:crypto";
import { createMessageIds, type MessageIds } from "../../src/flows/message-id.ts";
import type { Clock } from "../../src/lib/clock.ts";
import { createDeadline } from "../../src/lib/deadline.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { createNameHash, createSealer, type Sealer } from "../../src/lib/sealing.ts";
import { createMediaContents } from "../../src/media/outgoing.ts";
import { recordReplies } from "../../src/replies/record.ts";
import { type Outcome, type Receipt, SEND_DEADLINE_MS, type Session, type SessionDevice, type SessionStatus } from "../../src/transports/transport.ts";
import { type AuthStore, createAuthStore } from "../../src/transports/whatsapp/auth-store.ts";
import { setRootKey } from "../../src/transports/whatsapp/signatures.ts";
import { createWhatsapp } from "../../src/transports/whatsapp/whatsapp.ts";
import { createJumpingClock, type JumpingClock } from "./clocks.ts";
import { type TestDatabase, testDatabase } from "./database.ts";
import { eventually } from "./eventually.ts";
import { one, silent } from "./factories.ts";
import { createFakeWhatsapp, type FakeOptions, type FakeWhatsapp } from "./fake-whatsapp/fake.ts";

export const ACCOUNT = "60123456789";
export const PERSON = "60198765432";

const WORKSPACE = "01900000-0000-7000-8000-000000000001";

type Heard = { readonly status: SessionStatus; readonly reason: string | null; readonly until: Date | undefined };

export type TestSession = Session & {
  readonly deviceId: string;
  readonly heard: Heard[];
  readonly receipts: Receipt[];
  /** The last state that was told. */
  readonly status: () => SessionStatus | undefined;
  /** Waits until it is in this state. */
  readonly reaches: (status: SessionStatus) => Promise<Heard>;
  /** Sends as the dispatcher does: as the message of that flow, or of one that is not in the database. */
  readonly text: (text: string, phone?: string, flowId?: string) => Promise<Outcome>;
  /** The row is what an operator has made of it now. */
  readonly looksAgain: () => Promise<void>;
};

export type WhatsappRig = {
  readonly fake: FakeWhatsapp;
  readonly database: TestDatabase;
  readonly clock: JumpingClock;
  readonly authStore: AuthStore;
  readonly messageIds: MessageIds;
  readonly sealer: Sealer;
  /** A device of this node, paired where `phone` is given. */
  readonly addDevice: (phone?: string, status?: SessionStatus) => Promise<string>;
  /** `hasRoom` is false where the device's limits leave no room for another message. */
  readonly open: (deviceId: string, options?: { readonly hasRoom?: boolean }) => Promise<TestSession>;
  /** A paired device that is online. */
  readonly online: (phone?: string) => Promise<TestSession>;
  /** The transport of another process on the same database: what this one has in memory it does not know. */
  readonly restarted: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

export async function whatsappRig(options: FakeOptions = {}): Promise<WhatsappRig> {
  const fake = await createFakeWhatsapp({ seed: "rentak", ...options });
  setRootKey(fake.rootKey);
  const database = await testDatabase();
  const { pool } = database;
  const clock = createJumpingClock();
  const key = randomBytes(32);
  const sealer = createSealer([key]);
  const messageIds = createMessageIds(randomBytes(16));
  const { id: nodeId } = await one<{ id: string }>(pool, "INSERT INTO nodes (name) VALUES ('test') RETURNING id");
  const build = () => {
    const authStore = createAuthStore({ pool, sealer, nameHash: createNameHash(key), clock });
    const whatsapp = createWhatsapp({
      url: new URL(fake.url),
      pool,
      sealer,
      authStore,
      messageIds,
      recordReplies: (replies) => recordReplies(pool, replies),
      contentOf: createMediaContents(pool),
      clock,
      random: seededRandom("whatsapp"),
      logger: silent,
      onPairing: () => {},
    });
    whatsapp.start();
    return { authStore, whatsapp };
  };
  let process = build();
  let sessions: TestSession[] = [];

  const endProcess = async () => {
    await Promise.all(sessions.map((session) => session.close()));
    await process.whatsapp.stop();
    sessions = [];
  };

  const addDevice = async (phone?: string, status: SessionStatus = phone ? "OFFLINE" : "UNPAIRED") => {
    const { id } = await one<{ id: string }>(
      pool,
      "INSERT INTO devices (name, transport, status, node_id) VALUES ('Device', 'WHATSAPP', $1, $2) RETURNING id",
      [status, nodeId],
    );
    if (phone === undefined) return id;
    const { creds, preKeys } = fake.link(phone, { preKeys: 20 });
    const auth = process.authStore.open({ deviceId: id, workspaceId: WORKSPACE, nodeId });
    await auth.creds.save(creds);
    await auth.keys.set({ "pre-key": preKeys });
    return id;
  };

  const read = (id: string) =>
    one<SessionDevice>(
      pool,
      `SELECT id, workspace_id AS "workspaceId", node_id AS "nodeId", status, status_reason AS "statusReason", restricted_until AS "restrictedUntil",
              pairing_requested_at AS "pairingRequestedAt", pairing_phone AS "pairingPhone", logout_requested_at AS "logoutRequestedAt", 0 AS "simulatedLatencyMs", 0 AS "simulatedFailureRate"
         FROM devices WHERE id = $1`,
      [id],
    );

  const open: WhatsappRig["open"] = async (deviceId, { hasRoom = true } = {}) => {
    let row = await read(deviceId);
    const heard: Heard[] = [];
    const receipts: Receipt[] = [];
    const session = process.whatsapp.open(() => row, {
      status: (status, reason, until) => void heard.push({ status, reason, until }),
      receipt: (receipt) => void receipts.push(receipt),
      mayAnswer: () => hasRoom,
    });
    const opened: TestSession = {
      ...session,
      deviceId,
      heard,
      receipts,
      status: () => heard.at(-1)?.status,
      reaches: (status) => eventually(async () => (heard.at(-1)?.status === status ? heard.at(-1) : undefined), `the device becomes ${status}; it was ${JSON.stringify(heard)}`),
      text(text, phone = PERSON, flowId = randomUUID()) {
        const [messageId = ""] = messageIds.messageIdsOf([flowId]);
        return session.send({ flowId, messageId, phone, text, media: null }, createDeadline(clock as Clock, SEND_DEADLINE_MS));
      },
      async looksAgain() {
        row = await read(deviceId);
        session.refresh();
      },
    };
    sessions.push(opened);
    return opened;
  };

  return {
    fake,
    database,
    clock,
    get authStore() {
      return process.authStore;
    },
    messageIds,
    sealer,
    addDevice,
    open,
    async online(phone = ACCOUNT) {
      const session = await open(await addDevice(phone));
      await session.reaches("ONLINE");
      return session;
    },
    async restarted() {
      await endProcess();
      process = build();
    },
    async stop() {
      await endProcess();
      await fake.stop();
      await database.drop();
    },
  };
}
