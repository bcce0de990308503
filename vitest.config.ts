import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Unit tests touch nothing outside; only the others wait for a Postgres.
export default defineConfig({
  // The one that Node loads: Vite would take the package's second build, and a schema of the one is no schema to the other.
  resolve: { alias: [{ find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve("graphql")) }] },
  test: {
    pool: "threads",
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: "unit", include: ["test/unit/**/*.test.ts"] } },
      {
        extends: true,
        test: {
          name: "system",
          include: ["test/**/*.test.ts"],
          exclude: ["test/unit/**"],
          globalSetup: "test/support/global-setup.ts",
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
