// Puts the fake WhatsApp together.

import type { RequestListener } from "node:http";
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { createAccounts } from "./accounts.ts";
import { phoneJid } from "./addresses.ts";
import { createBehaviours } from "./behaviour.ts";
import { serverIdentity } from "./certificates.ts";
import { type ConnectionListener, createConnection } from "./connection.ts";
import { createControl } from "./control.ts";
import type { FakeOptions, FakeWhatsapp } from "./fake.ts";
import { faultsOf } from "./faults.ts";
import { createMediaServer } from "./media.ts";
import { CHAT_PATH, openNetwork } from "./network.ts";
import { createPairing, type Registration } from "./pairing.ts";
import { createPeople } from "./people.ts";
import { phonesOf } from "./phones.ts";
import { createReceipts } from "./receipts.ts";
import { createReplies } from "./replies.ts";
import { createSessions, type Session } from "./sessions.ts";
import { receiveStanza } from "./stanzas.ts";
import { newSeed, restoreAccounts, stateOf } from "./state.ts";
import { createTimers } from "./timers.ts";
import { createWitness } from "./witness.ts";

export type Parts = ReturnType<typeof assemble>;

export async function startServer(options: FakeOptions): Promise<FakeWhatsapp> {
  const parts = assemble(options);
  const { witness, timers, accounts, people, seed, identity } = parts;
  const late: { fake?: FakeWhatsapp } = {};
  let connections = 0;

  const connected = (socket: WebSocket, tcp: Socket) => {
    const id = ++connections;
    witness.record({ kind: "connected", connection: id });
    const connection = createConnection({ id, socket, tcp, identity, listener: listenerFor(parts, id, () => connection) });
  };
  const control = createControl(() => late.fake);
  const requests: RequestListener = (request, response) => parts.media.take(request, response) || control(request, response);
  const network = await openNetwork({ port: options.port ?? 0, control: requests, connected });
  parts.network.port = network.port;

  const stop = async () => {
    timers.stop();
    await network.stop();
    await witness.close();
  };
  let stopped: Promise<void> | undefined;

  const fake: FakeWhatsapp = {
    url: `ws://127.0.0.1:${network.port}${CHAT_PATH}`,
    controlUrl: `http://127.0.0.1:${network.port}`,
    rootKey: identity.rootKey,
    witness,
    accounts: accounts.all,
    waitFor: witness.waitFor,
    ...phonesOf(parts),
    ...faultsOf(parts, network),
    state: () => stateOf(seed, accounts, people),
    stop: () => (stopped ??= stop()),
  };
  late.fake = fake;
  return fake;
}

function assemble(options: FakeOptions) {
  const seed = options.state?.seed ?? options.seed ?? newSeed();
  const identity = serverIdentity(seed, { isForged: options.isForged ?? false });
  const witness = createWitness(options);
  const timers = createTimers();
  const behaviours = createBehaviours();
  const accounts = createAccounts();
  const people = createPeople(options.state?.absent);
  if (options.state) restoreAccounts(options.state, accounts);
  const changed = options.changed ?? (() => {});
  const sessions = createSessions({ accounts, behaviours, timers, witness });
  const replies = createReplies({ accounts, people, sessions, witness, changed });
  const answered = (account: string, phone: string) => {
    const { reply } = behaviours.of(account);
    if (reply && accounts.find(account)) void replies.send({ account, phone, text: reply.text, from: reply.from });
  };
  const receipts = createReceipts({ accounts, people, sessions, behaviours, timers, witness, answered });
  const pairing = createPairing({ accounts, people, sessions, witness });
  const media = createMediaServer({ witness, behaviours });
  const network = { port: 0 }; // known once it is open
  return { media, network, mediaHost: () => `127.0.0.1:${network.port}`, seed, identity, witness, timers, behaviours, accounts, people, sessions, replies, receipts, pairing, changed, decrypts: options.decrypt ?? true };
}

/** A client is nobody until it has shown its keys; then it is a device that logs in, or one that wants to be linked. */
function listenerFor(parts: Parts, id: number, connection: () => ReturnType<typeof createConnection>): ConnectionListener {
  const { witness, sessions, pairing } = parts;
  let session: Session | undefined;
  let registration: Registration | undefined;
  let account: string | null = null;
  let device: string | null = null;

  return {
    opened(payload, clientKey) {
      if (payload.devicePairingData) {
        registration = pairing.begin(connection(), payload.devicePairingData, clientKey);
        return;
      }
      account = String(payload.username);
      device = phoneJid(account, payload.device ?? 0);
      session = sessions.login(connection(), account, payload.device ?? 0, clientKey);
    },
    received(node) {
      if (registration) pairing.received(registration, node);
      else if (session) receiveStanza(session, node, parts).catch((error: unknown) => connection().destroy(`the fake has failed: ${String(error)}`));
    },
    closed(reason) {
      if (registration) pairing.ended(registration);
      if (session) sessions.ended(session);
      witness.record({ kind: "disconnected", connection: id, account, device, reason });
    },
  };
}
