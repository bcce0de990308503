import { describeScenario } from "./kept.ts";
import { killsAndDeploys } from "./scenarios.ts";

describeScenario(killsAndDeploys, { nodes: 3, flows: 3000, faults: 5, latencyMs: 150, awayMs: 26_000 });
