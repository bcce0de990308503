// What the tests of sequences say to the server.

import { expect } from "vitest";
import type { TestServer } from "./server.ts";

type Step = {
  dayNumber?: number;
  trigger: string;
  nextTrigger?: string | null;
  isEntryPoint?: boolean;
  text?: string;
  id?: string;
  triggerDelayHours?: number;
  variants?: readonly Readonly<Record<string, unknown>>[];
  branches?: readonly Readonly<Record<string, unknown>>[];
};

const SEQUENCE =
  "sequence { id name status triggerDelayHours problems { message field } steps { id dayNumber trigger nextTrigger triggerDelayHours isEntryPoint text } } userErrors { code message field }";

export const step = (trigger: string, nextTrigger?: string | null, more: Partial<Step> = {}): Step => ({
  dayNumber: 1,
  text: `Hi from ${trigger}`,
  trigger,
  ...(nextTrigger !== undefined && { nextTrigger }),
  ...more,
});
export const entry = (trigger: string, nextTrigger?: string | null, more: Partial<Step> = {}): Step =>
  step(trigger, nextTrigger, { isEntryPoint: true, ...more });

export function sequenceCalls(server: TestServer) {
  const mutate = async (field: string, args: Record<string, unknown>, types: Record<string, string>, selection = SEQUENCE) => {
    const declared = Object.entries(types)
      .map(([name, type]) => `$${name}: ${type}`)
      .join(", ");
    const passed = Object.keys(types)
      .map((name) => `${name}: $${name}`)
      .join(", ");
    const { data, errors } = await server.query(`mutation(${declared}) { it: ${field}(${passed}) { ${selection} } }`, args);
    expect(errors).toBeUndefined();
    return data.it;
  };

  const create = (input: { name?: string; steps?: Step[]; [field: string]: unknown }) =>
    mutate("createSequence", { input: { name: "Fitness", ...input } }, { input: "CreateSequenceInput!" });
  const update = (input: { id: string; [field: string]: unknown }) =>
    mutate("updateSequence", { input }, { input: "UpdateSequenceInput!" });
  const of = (field: string) => (id: string) => mutate(field, { id }, { id: "ID!" });
  const [activate, pause, archive, deleteStep] = [
    of("activateSequence"),
    of("pauseSequence"),
    of("archiveSequence"),
    of("deleteSequenceStep"),
  ];
  const STEP = `step { id trigger nextTrigger } ${SEQUENCE}`;
  const createStep = (sequenceId: string, input: Step) =>
    mutate("createSequenceStep", { sequenceId, input }, { sequenceId: "ID!", input: "SequenceStepInput!" }, STEP);
  const updateStep = (input: Record<string, unknown>) =>
    mutate("updateSequenceStep", { input }, { input: "UpdateSequenceStepInput!" }, STEP);

  const snapshot = async () => {
    const { rows } = await server.database.pool.query(
      "SELECT s.name, s.status, st.trigger, st.next_trigger, st.message_text FROM sequences s LEFT JOIN sequence_steps st ON st.sequence_id = s.id ORDER BY st.trigger",
    );
    return rows;
  };

  /** The mutation is refused with these errors, and nothing was changed. */
  const refused = async (
    run: () => Promise<{ userErrors: unknown; sequence: unknown }>,
    errors: { code: string; message: unknown; field?: unknown }[],
  ) => {
    const before = await snapshot();
    const { sequence, userErrors } = await run();
    expect(userErrors).toEqual(errors.map((error) => ({ field: expect.anything(), ...error })));
    expect(sequence).toBeNull();
    expect(await snapshot()).toEqual(before);
  };

  return { mutate, create, update, activate, pause, archive, deleteStep, createStep, updateStep, refused };
}
