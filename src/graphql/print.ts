// Writes the schema as others read it: node src/graphql/print.ts. A test compares the file with what the code gives.

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { printSchema } from "graphql";
import { schema } from "./schema.ts";

writeFileSync(fileURLToPath(new URL("../../schema/schema.graphql", import.meta.url)), `${printSchema(schema)}\n`);
