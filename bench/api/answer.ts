// Whether a server answers with what is in the tables: who answers less is faster.

import { deepStrictEqual } from "node:assert/strict";
import { once } from "../dispatch/postgres.ts";
import type { Entrant } from "./entrants.ts";

/** Rows of a page. */
const FIRST = 50;

type Row = { readonly id: string; readonly text: string; readonly status: string; readonly device: { readonly id: string; readonly name: string } };

const EXPECTED = `
  SELECT f.id::text, f.text, f.status, json_build_object('id', d.id, 'name', d.name) AS device
    FROM flows f JOIN devices d ON d.id = f.device_id ORDER BY f.id DESC LIMIT ${FIRST}`;

export const bodyOf = ({ query }: Entrant): string => JSON.stringify({ query, variables: { first: FIRST } });

/** The answer, to the letter. Throws where it does not hold the newest rows of the tables, each with its device. */
export async function checkedAnswer(entrant: Entrant, databaseUrl: string): Promise<string> {
  const response = await fetch(entrant.url, { method: "POST", headers: { "content-type": "application/json", ...entrant.headers }, body: bodyOf(entrant) });
  const answer = await response.text();
  const nodes = (JSON.parse(answer) as { data?: { flows?: { nodes?: Row[] } } }).data?.flows?.nodes;
  if (!nodes) throw new Error(`${entrant.name} answers: ${answer.slice(0, 1000)}`);
  const rows = nodes.map(({ device, ...flow }) => ({ ...flow, id: bare(flow.id), device: { ...device, id: bare(device.id) } }));
  deepStrictEqual(rows, await once(databaseUrl, EXPECTED), `${entrant.name} answers with other rows than there are`);
  return answer;
}

/** Rentak's ids have the type before them. */
const bare = (id: string): string => id.slice(id.indexOf(":") + 1);
