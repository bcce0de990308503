import { createHash } from "node:crypto";
import type { GraphiQLOptions } from "graphql-yoga";

// Short lines: longer ones are hidden behind GraphiQL's own buttons.
const EXAMPLE = `# Every request needs a token.
# 1. Open "Headers" below, and put the token
#    of .rentak/admin-token after "Bearer ".
# 2. Press Shift-Ctrl-R: the docs and the
#    completion learn the schema then.

query Overview {
  viewer {
    workspace { name timeZone defaultCountry }
  }
  system {
    version
    devicesOnline
    flowsDue
    sentLastMinute
  }
  devices(first: 10) {
    nodes { id name status load { messagesHour } }
  }
}

subscription Sent {
  flowSent {
    cursor
    flow { id text lead { name phone } device { name } }
  }
}
`;

const OPTIONS: GraphiQLOptions = {
  title: "Rentak",
  defaultQuery: EXAMPLE,
  headers: JSON.stringify({ Authorization: "Bearer " }, null, 2),
  // Over SSE the token goes with the other headers; over WebSockets a browser cannot send any.
  subscriptionsProtocol: "SSE",
};

type Page = { readonly html: Buffer; /** Its Content-Security-Policy. */ readonly policy: string };

let page: Promise<Page> | undefined;

/** Made when it is first asked for: the page holds GraphiQL as a whole (megabytes), so that it works without the internet. */
export const graphiqlPage = (): Promise<Page> => (page ??= render());

async function render(): Promise<Page> {
  const { renderGraphiQL } = await import("@graphql-yoga/render-graphiql");
  const html = renderGraphiQL(OPTIONS);
  const scripts = [...html.matchAll(/<script>(.*?)<\/script>/gs)].map(([, script = ""]) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`);
  // Its own scripts and no others; the editor writes styles as it goes, has its pictures and letters in itself, and checks what is typed in a worker
  // that it makes of a text. Nothing is asked of other hosts.
  const policy = {
    "default-src": "'none'",
    "script-src": scripts.join(" "),
    "style-src": "'unsafe-inline'",
    "img-src": "data:",
    "font-src": "data:",
    "worker-src": "blob:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
  };
  return { html: Buffer.from(html), policy: Object.entries(policy).map(([name, sources]) => `${name} ${sources}`).join("; ") };
}
