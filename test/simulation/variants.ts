// Deliberately broken variants: the test of the test. Each takes away one clause that a promise hangs on.

export type Variant = {
  readonly name: string;
  readonly rewrite: (text: string) => string;
  /** The promises that it breaks. */
  readonly shows: RegExp;
  /** The search begins at this seed, a few before one that shows it: from the first on it takes up to 61 of them. */
  readonly from: number;
};

type Change = readonly [from: string | RegExp, to: string];

/** Changes the statement that has `mark` in it. Throws where a clause is not there any more: the variant would be the real thing. */
const rewriting = (mark: string, ...changes: readonly Change[]) => {
  const cache = new Map<string, string>();
  return (text: string): string => {
    if (!text.includes(mark)) return text;
    const known = cache.get(text);
    if (known !== undefined) return known;
    const changed = changes.reduce((sql, [from, to]) => {
      const without = sql.replace(from, to);
      if (without === sql) throw new Error(`the statement has no clause ${String(from)} to take away`);
      return without;
    }, text);
    cache.set(text, changed);
    return changed;
  };
};

const ATTEMPT = "FOR KEY SHARE";
const SETTLE = "w(flow_id, attempt_id, status, code, message, at)";
const OVERDUE = "make_interval(secs => $1::float8)     -- not volatile";

export const VARIANTS: readonly Variant[] = [
  {
    name: "an attempt of which nothing is heard goes back into the queue",
    from: 29,
    rewrite: rewriting(OVERDUE, [
      /^[\s\S]*$/,
      "WITH overdue AS ($&), back AS (UPDATE flows f SET queued = true, status = 'ACTIVE', attempt_id = NULL, attempted_at = NULL FROM overdue o WHERE f.id = o.id) SELECT id, attempt_id FROM overdue WHERE false",
    ]),
    shows: /^P1/,
  },
  {
    name: "settling has no fence",
    from: 1,
    rewrite: rewriting(SETTLE, [/AND f\.settled_at IS NULL[^\n]*\n\s*AND \(f\.attempt_id = w\.attempt_id[^\n]*\n[^\n]*/, ""]),
    shows: /^P[13]|counts|^P10/,
  },
  {
    name: "the attempt does not look at the lease",
    from: 88,
    shows: /^P[47]/,
    rewrite: rewriting(ATTEMPT, [/NOT EXISTS \(SELECT FROM lease\)/g, "false"], [/EXISTS \(SELECT FROM lease\)/g, "true"]),
  },
  {
    name: "the next flow is made without compare and swap",
    from: 71,
    rewrite: rewriting(SETTLE, ["AND e.current_flow_id = o.id", "AND true"]),
    shows: /^P1: enrolment/,
  },
  {
    name: "a campaign's place in its audience is not moved on",
    from: 4,
    rewrite: rewriting("UPDATE lanes SET fed_lead_id", ["SET fed_lead_id = (SELECT lead_id FROM next ORDER BY lead_id DESC LIMIT 1)", "SET fed_lead_id = fed_lead_id"]),
    shows: /^P1: lead/,
  },
];
