// Loaded into the server by --import: a device goes on writing to its own people however many messages it has had in the hour. By the rule it is fifty, and
// at five hundred messages a second the whole fleet would be past that within minutes, with every message to somebody whom its device does not know.

import { registerHooks } from "node:module";

const FILE = "/src/devices/score.ts";
const RULE = "OWN_PEOPLE_UNTIL = 50";

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith(FILE)) return loaded;
    const { source = "" } = loaded;
    const text = typeof source === "string" ? source : Buffer.from(source as Uint8Array).toString();
    if (!text.includes(RULE)) throw new Error(`${FILE} does not say "${RULE}" any more`);
    return { ...loaded, source: text.replace(RULE, "OWN_PEOPLE_UNTIL = Infinity") };
  },
});
