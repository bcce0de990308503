import { describeScenario } from "./kept.ts";
import { outages } from "./scenarios.ts";

describeScenario(outages, { nodes: 4, flows: 1200, faults: 10, latencyMs: 150, awayMs: 13_000 });
