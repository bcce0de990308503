import { createNameHash } from "../../src/lib/sealing.ts";
import { createOptOutHash, type OptOutHash } from "../../src/leads/screen.ts";

export const testOptOutHash: OptOutHash = createOptOutHash(createNameHash(Buffer.alloc(32, 7)));
