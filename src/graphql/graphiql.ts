import { createHash } from "node:crypto";
import type { GraphiQLOptions } from "graphql-yoga";

// Short lines: longer ones are hidden behind GraphiQL's own buttons. Each is valid by itself, which a test looks after.

const START = `# Every request needs a token.
# 1. Open "Headers" below, and put the token
#    of .rentak/admin-token after "Bearer ".
# 2. Press Shift-Ctrl-R: the docs and the
#    completion learn the schema then.
# The other tabs have more to begin with.

query Overview {
  viewer {
    workspace { name timeZone defaultCountry }
    token { name scopes }
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
`;

const SEND = `# A first message, by a simulated device: run
# these from top to bottom (the menu of the
# run button names them). Nothing leaves here.

mutation MakeDevice {
  createDevice(input: {
    name: "Trial phone", transport: SIMULATOR
  }) {
    device { id }
    userErrors { field message }
  }
}

mutation MakeSequence {
  createSequence(input: {
    name: "Trial"
    steps: [{
      dayNumber: 1, trigger: "trial_start"
      text: "{Hi|Hello} {{name}}, welcome!"
      isEntryPoint: true
    }]
  }) {
    sequence { id }
    userErrors { field message }
  }
}

# With the id that MakeSequence gave.
mutation Activate($id: ID!) {
  activateSequence(id: $id) {
    sequence { status }
    userErrors { message }
  }
}

mutation AddLead {
  upsertLeads(input: [{
    phone: "+60123456789", name: "Aminah"
    triggers: ["trial_start"]
  }]) {
    leads { id }
    userErrors { field message }
  }
}

query Sent {
  flows(first: 5) {
    nodes { status text sentAt device { name } }
  }
}
`;

const PROGRESS = `query Progress {
  sequences(first: 20) {
    nodes {
      name
      status
      progress {
        enrolled active completed
        flowsSent flowsFailed percent
      }
    }
  }
  campaigns(first: 20) {
    nodes {
      name
      status
      progress { total sent failed percent }
    }
  }
}
`;

const FAILURES = `query Failures {
  flows(
    filter: { status: [FAILED] }
    orderBy: { field: FAILED_AT, direction: DESC }
  ) {
    nodes {
      id failedAt
      failure { code message }
      lead { name phone }
      device { name }
    }
  }
}

# Attempted again, by your word alone.
mutation Retry($id: ID!) {
  retryFlow(id: $id) {
    flow { id status }
    userErrors { message }
  }
}

# Why does somebody's message wait?
query Waiting($phone: PhoneNumber!) {
  lead(phone: $phone) {
    name
    flows(first: 5) {
      nodes {
        status dueAt
        waitingFor { reason message until }
      }
    }
  }
}
`;

const LIVE = `# Runs until you stop it.
subscription Live {
  flowEvents {
    cursor
    type
    at
    flow {
      id
      lead { name }
      device { name }
      failure { code message }
    }
  }
}
`;

const INTEGRATIONS = `mutation MakeToken {
  createApiToken(input: {
    name: "Shop front", scopes: [READ]
  }) {
    secret
    userErrors { field message }
  }
}

mutation MakeWebhook {
  createWebhookEndpoint(input: {
    url: "https://example.com/hooks"
    eventTypes: [FLOW_SENT, REPLY, LEAD]
  }) {
    webhookEndpoint { id }
    secret
    userErrors { field message }
  }
}

query WhoChangedWhat {
  auditLog(first: 20) {
    nodes { at operation subjects token { name } }
  }
}
`;

const headers = JSON.stringify({ Authorization: "Bearer " }, null, 2);

/** Ready to run, a tab for each. */
export const READY: readonly string[] = [START, SEND, PROGRESS, FAILURES, LIVE, INTEGRATIONS];

const OPTIONS: GraphiQLOptions = {
  title: "Rentak",
  defaultTabs: READY.map((query) => ({ query, headers })),
  headers,
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
