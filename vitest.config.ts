import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.ts";

// Files that a worker runs one after the other share its modules, which saves half a minute of loading them anew: nothing of ours keeps state
// in a module. Where modules are mocked, in the simulation, each file has its own.
const shared = { isolate: false };

// What waits for a Postgres.
const system = { globalSetup: "test/support/global-setup.ts", testTimeout: 60_000, hookTimeout: 120_000 };

export default defineConfig({
  // The one that Node loads: Vite would take the package's second build, and a schema of the one is no schema to the other.
  resolve: { alias: [{ find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve("graphql")) }] },
  test: {
    pool: "threads",
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      { extends: true, test: { ...shared, name: "unit", include: ["test/unit/**/*.test.ts"] } },
      { extends: true, test: { ...shared, ...system, name: "system", include: ["test/{api,faults,integration,readme,whatsapp}/**/*.test.ts"] } },
      { extends: true, test: { hookTimeout: system.hookTimeout, name: "simulation", include: ["test/simulation/**/*.test.ts"] } },
    ],
  },
});
