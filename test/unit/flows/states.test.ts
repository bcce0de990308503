import { describe, expect, test } from "vitest";
import { FLOW_FAILURE_CODES, FLOW_STATUSES, isSettled, TRANSITIONS } from "../../../src/flows/states.ts";

describe("the life of a flow", () => {
  test("never leads back to where it could be attempted again", () => {
    expect(TRANSITIONS.filter(({ from, to }) => from !== null && to === "ACTIVE")).toEqual([]);
    expect(TRANSITIONS.filter(({ to }) => to === "PROCESSING").map(({ from }) => from)).toEqual(["ACTIVE"]);
  });

  test("ends wherever it goes: every open state leads to a settled one", () => {
    for (const status of FLOW_STATUSES.filter((each) => !isSettled(each))) {
      expect(TRANSITIONS.some(({ from, to }) => from === status && isSettled(to))).toBe(true);
    }
  });

  test("is corrected from an unknown outcome only, and to SENT", () => {
    const afterSettling = TRANSITIONS.filter(({ from }) => from !== null && isSettled(from));
    expect(afterSettling).toEqual([{ name: "correct", from: "FAILED", to: "SENT", event: "FLOW_SENT", failureCodes: ["OUTCOME_UNKNOWN"] }]);
  });

  test("tells of every change but the attempt, which is followed by how it ended", () => {
    expect(TRANSITIONS.filter(({ event }) => event === null).map(({ name }) => name)).toEqual(["attempt"]);
  });

  test("has a use for every failure code", () => {
    expect(new Set(TRANSITIONS.flatMap(({ failureCodes }) => failureCodes ?? []))).toEqual(new Set(FLOW_FAILURE_CODES));
  });
});
