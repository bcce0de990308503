import type { GraphiQLOptions } from "graphql-yoga";

const EXAMPLE = `# Rentak's API. Every request needs a token: open "Headers" below and put the one from
# .rentak/admin-token after "Bearer ". The book icon at the left shows everything there is.

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
