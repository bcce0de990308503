// The fake WhatsApp in a process of its own, so that what it costs is not taken for Rentak's. It is told what to do over its own port.

import { createFakeWhatsapp } from "../../test/support/fake-whatsapp/fake.ts";

/** Nobody looks at what is in memory: the log has all of it. */
const REMEMBERED = 1000;

export type FakeAddress = { readonly url: string; readonly controlUrl: string; readonly rootKey: string };

const [logFile = ""] = process.argv.slice(2);
const fake = await createFakeWhatsapp({ decrypt: false, logFile, remembered: REMEMBERED });
const address: FakeAddress = { url: fake.url, controlUrl: fake.controlUrl, rootKey: fake.rootKey };
process.send?.(address);

const stop = () => void fake.stop().then(() => process.exit(0));
process.once("SIGTERM", stop);
process.once("disconnect", stop);
