// What the examples have in common: the server that runs on this machine, and how it is asked.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TypedDocumentString } from "../schema/client/graphql.ts";

const { HOST = "127.0.0.1", PORT = "4000", RENTAK_DATA_DIR = ".rentak", RENTAK_ADMIN_TOKEN } = process.env;

export const SERVER_URL = `http://${HOST}:${PORT}`;

export function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

/** The admin token of this machine's server. `otherwise`: what else can be done where there is none. */
export async function readToken(otherwise = ""): Promise<string> {
  const file = join(RENTAK_DATA_DIR, "admin-token");
  return (RENTAK_ADMIN_TOKEN ?? (await readFile(file, "utf8").catch(() => fail(`No token in ${file}: start the server first, with \`npm start\`${otherwise}.`)))).trim();
}

export const notThere = (url: string): never => fail(`Nothing answers at ${url}: start the server first, with \`npm start\`.`);

/** A query or mutation over HTTP: its variables and its answer have the types of the operation. Ends the process where it is refused. */
export async function ask<T, V>(authorization: string, document: TypedDocumentString<T, V>, variables: V): Promise<T> {
  const url = `${SERVER_URL}/graphql`;
  const headers = { authorization, "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query: document, variables }) }).catch(() => notThere(url));
  const { data, errors } = (await response.json()) as { data: T; errors?: readonly { readonly message: string }[] };
  return errors?.[0] ? fail(errors[0].message) : data;
}
