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

export const graphiqlOptions: GraphiQLOptions = {
  title: "Rentak",
  defaultQuery: EXAMPLE,
  headers: JSON.stringify({ Authorization: "Bearer " }, null, 2),
  // Over SSE the token goes with the other headers; over WebSockets a browser cannot send any.
  subscriptionsProtocol: "SSE",
};

/** Read when it is first asked for: the page holds GraphiQL as a whole (megabytes), so that it works without the internet. */
export async function renderGraphiql(options: GraphiQLOptions | undefined): Promise<string> {
  const { renderGraphiQL } = await import("@graphql-yoga/render-graphiql");
  return renderGraphiQL(options);
}
