// A million leads as a business would have them: most of what is known of a lead came with its import, so that like ones stand together.

import { once } from "../dispatch/postgres.ts";

export const WORKSPACE_ID = "01900000-0000-7000-8000-000000000001";

const IMPORTS = 10;
const DEVICES = 300;
/** Other workspaces' leads, which no filter may cost anything. */
const OTHERS_SHARE = 10;

const id = (kind: number, n: string) => `('0190000${kind}-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;
const importId = (n: string) => id(1, n);
const deviceId = (n: string) => id(2, n);
const sequenceId = (n: string) => id(3, n);

/** The keys of what the filters name. */
export const NAMED = {
  lastImport: `01900001-0000-7000-8000-${IMPORTS.toString(16).padStart(12, "0")}`,
  device: "01900002-0000-7000-8000-000000000007",
  bigSequence: "01900003-0000-7000-8000-000000000001",
  smallSequence: "01900003-0000-7000-8000-000000000002",
} as const;

const OTHER = "'01900000-0000-7000-8000-000000000002'::uuid";

const PARENTS = [
  `INSERT INTO workspaces (id, name) VALUES (${OTHER}, 'Other')`,
  `INSERT INTO lead_imports (id, file_name, status) SELECT ${importId("n")}, 'part ' || n || '.csv', 'COMPLETED' FROM generate_series(1, ${IMPORTS}) AS n`,
  `INSERT INTO devices (id, name, transport) SELECT ${deviceId("n")}, 'Device ' || n, 'SIMULATOR' FROM generate_series(1, ${DEVICES}) AS n`,
  `INSERT INTO sequences (id, name) SELECT ${sequenceId("n")}, 'Sequence ' || n FROM generate_series(1, 2) AS n`,
];

/** A pseudo-random whole number below \`below\`, of the row and the column alone: the same table every time. */
const pick = (salt: string, below: number) => `(abs(hashtext('${salt}' || n)::bigint) % ${below})`;

const FIRST = "ARRAY['Aina','Siti','Nurul','Farah','Aisyah','Mohd','Ahmad','Hafiz','Azlan','Wei','Mei','Jia','Kumar','Priya','Devi','Raj','Grace','Daniel','Sofia','Zul']";
const LAST = "ARRAY['Rahman','Abdullah','Ismail','Hassan','Tan','Lim','Wong','Lee','Nair','Pillai','Singh','Fernandez','Ibrahim','Othman','Yusof','Chong','Ng','Ooi','Menon','Zainal']";
const CITY = "ARRAY['Kuala Lumpur','Ipoh','Melaka','Johor Bahru','Penang','Kuching','Kota Kinabalu','Klang','Seremban','Kuantan']";

/** Over 90 days, the parts one after the other; what a part is about is most of its leads' niche, trigger and city. */
const LEADS = (workspace: string, from: string, to: string) => `
  INSERT INTO leads (id, workspace_id, phone, name, niche, trigger, attributes, time_zone, preferred_device_id, import_id, consent_source, consent_at,
                     opted_out_at, last_replied_at, created_at)
  SELECT overlay(uuid_v7_floor(t.at)::text PLACING '7' || lpad(to_hex(n % 4096), 3, '0') || '-8' || right(md5(n::text), 15) FROM 15 FOR 22)::uuid, ${workspace}, (601110000000 + n)::text,
         (${FIRST})[1 + ${pick("first", 20)}] || ' ' || (${LAST})[1 + ${pick("last", 20)}] || CASE WHEN ${pick("quill", 20_000)} = 0 THEN ' Quillfeather' ELSE ' bin ' || (${LAST})[1 + ${pick("of", 20)}] END,
         CASE WHEN ${pick("yachts", 5000)} = 0 THEN 'yachts' WHEN ${pick("none", 10)} = 0 THEN NULL WHEN part <= 4 THEN 'fitness' WHEN part <= 7 THEN 'beauty' ELSE 'property' END,
         CASE WHEN ${pick("vip", 10_000)} = 0 THEN 'fitness_start,vip_start' WHEN part = ${IMPORTS} THEN 'promo_start' WHEN ${pick("trigger", 10)} < 3 THEN 'fitness_start' END,
         jsonb_build_object('city', (${CITY})[1 + ${pick("city", 10)}], 'plan', CASE WHEN part <= 5 THEN 'basic' ELSE 'pro' END)
           || CASE WHEN ${pick("shirt", 10_000)} = 0 THEN '{"shirt": "XXXL"}' ELSE '{}' END::jsonb,
         CASE WHEN ${pick("zone", 20)} = 0 THEN 'Asia/Jakarta' END, CASE WHEN ${workspace} <> ${OTHER} AND ${pick("device", 10)} = 0 THEN ${deviceId(`1 + ${pick("which", DEVICES)}`)} END,
         CASE WHEN ${workspace} <> ${OTHER} THEN ${importId("part")} END, CASE WHEN c.agreed THEN 'web form' END, CASE WHEN c.agreed THEN t.at END,
         CASE WHEN ${pick("out", 50)} = 0 THEN now() END, CASE WHEN ${pick("replied", 20)} = 0 THEN now() - ${pick("when", 100_000)} * interval '1 minute' END, t.at
    FROM generate_series(${from}::int, ${to}::int) AS n
   CROSS JOIN LATERAL (SELECT (1 + (n - 1) % $1::int * ${IMPORTS}::bigint / $1::int)::int AS part, date_trunc('milliseconds', now() - interval '90 days' * (1 - ((n - 1) % $1::int)::float8 / $1::int)) AS at) AS t
   CROSS JOIN LATERAL (SELECT ${pick("consent", 10)} < 6 AS agreed) AS c`;

const ENROLLMENTS = `
  INSERT INTO enrollments (workspace_id, lead_id, sequence_id, trigger, current_flow_id, status, finished_at)
  SELECT l.workspace_id, l.id, s.id, 'fitness_start', uuid_v7(), s.status, CASE s.status WHEN 'COMPLETED' THEN now() END
    FROM leads l CROSS JOIN LATERAL (
      SELECT ${sequenceId("1")} AS id, CASE WHEN abs(hashtext(l.phone)) % 4 = 0 THEN 'ACTIVE' ELSE 'COMPLETED' END AS status WHERE abs(hashtext(l.phone)) % 10 < 3
       UNION ALL SELECT ${sequenceId("2")}, 'ACTIVE' WHERE abs(hashtext(l.phone)) % 10000 = 0) AS s
   WHERE l.workspace_id = '${WORKSPACE_ID}'`;

export async function addLeads(url: string, count: number): Promise<void> {
  for (const statement of PARENTS) await once(url, statement);
  // The word's queue would only be waiting: nobody enrols here.
  await once(url, "ALTER TABLE leads DISABLE TRIGGER leads_inserted");
  await once(url, LEADS(`'${WORKSPACE_ID}'::uuid`, "1", "$1"), [count]);
  await once(url, LEADS(OTHER, "$1 + 1", `$1 + $1 / ${OTHERS_SHARE}`), [count]);
  await once(url, "ALTER TABLE leads ENABLE TRIGGER leads_inserted");
  await once(url, ENROLLMENTS);
  await once(url, "VACUUM ANALYZE leads, enrollments, lead_imports, devices, sequences");
}
