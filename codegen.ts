import type { CodegenConfig } from "@graphql-codegen/cli";

/** Typed operations for the examples: `npm run codegen` after a change of the schema or of an operation. */
const config: CodegenConfig = {
  schema: "schema/schema.graphql",
  documents: "schema/operations/*.graphql",
  generates: {
    "schema/client/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: "string",
        enumsAsConst: true,
        importExtension: ".ts",
        useTypeImports: true,
        scalars: { DateTime: "string", Cursor: "string", JSONObject: "Record<string, unknown>", PhoneNumber: "string", TimeZone: "string", LocalTime: "string", File: "never" },
      },
    },
  },
};

export default config;
