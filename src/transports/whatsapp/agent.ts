import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

type Target = { readonly host?: string | null; readonly port?: string | number | null };

/** One connection's way to the network. */
export interface ResettableAgent {
  readonly agent: HttpAgent | HttpsAgent;
  /** Ends the connection with a reset: what waits in the kernel's buffers is thrown away, where a plain close would still deliver it minutes later. */
  reset(): void;
}

export function createAgent(url: URL): ResettableAgent {
  let socket: Socket | undefined;
  const open = ({ host, port }: Target) => {
    socket = connectTcp({ host: host ?? url.hostname, port: Number(port ?? (url.protocol === "wss:" ? 443 : 80)), noDelay: true });
    return socket;
  };
  const agent = url.protocol === "wss:" ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false });
  agent.createConnection = (options) => {
    const tcp = open(options as Target);
    return url.protocol === "wss:" ? connectTls({ socket: tcp, servername: url.hostname, ALPNProtocols: ["http/1.1"] }) : tcp;
  };
  return { agent, reset: () => void socket?.resetAndDestroy() };
}
