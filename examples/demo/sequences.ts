// What the demo sends: the 30 Day Fitness sequence, and a chain that leads on from COLD to WARM to HOT.

import type { CreateSequenceInput, SequenceStepInput } from "../../schema/client/graphql.ts";

/** 1.8 seconds. A real sequence waits a day or so between its steps. */
const STEP_DELAY_HOURS = 0.0005;

type DemoSequence = CreateSequenceInput & { readonly steps: SequenceStepInput[] };

function sequence(name: string, prefix: string, texts: readonly string[], next: string | null): DemoSequence {
  return {
    name,
    triggerPrefix: prefix,
    triggerDelayHours: STEP_DELAY_HOURS,
    minDelaySeconds: 0,
    maxDelaySeconds: 0,
    steps: texts.map((text, index) => ({
      dayNumber: index + 1,
      trigger: index === 0 ? `${prefix}start` : `${prefix}day${index + 1}`,
      nextTrigger: index + 1 < texts.length ? `${prefix}day${index + 2}` : next,
      isEntryPoint: index === 0,
      text,
    })),
  };
}

/** In the order in which they can be made: what is led on to comes first. */
export const DEMO_SEQUENCES: readonly DemoSequence[] = [
  sequence("HOT", "hot_", ["{{name}}, two places are left for Saturday. Shall I keep one for you?", "Last call, {{name}}: the doors open tomorrow at nine."], null),
  sequence(
    "WARM",
    "warm_",
    [
      "{Hi|Hello} {{name}}, here is the price list that many ask for.",
      "{{name}}, would a class in {{city|your city}} suit you?",
      "What people from {{city|your city}} said about their first month.",
      "A question, {{name}}: mornings or evenings?",
    ],
    "hot_start",
  ),
  sequence(
    "COLD",
    "cold_",
    [
      "{Hi|Hello|Hai} {{name}}, thank you for leaving your number.",
      "{{name}}, this is who we are and what we do.",
      "Three things to know before you begin.",
      "How Aina lost her fear of the gym.",
      "Still with us, {{name}}? Tomorrow it gets practical.",
    ],
    "warm_start",
  ),
  sequence("30 Day Fitness", "fitness_", ["Welcome to fitness, {{name}}!", "Day 2 workout: ten minutes, no equipment.", "Day 3. Keep going, {{name}}!"], null),
];

/** Which leads begin where. */
export const DEMO_ENTRIES = [
  { niche: "fitness", trigger: "fitness_start", sequences: ["30 Day Fitness"] },
  { niche: "business", trigger: "cold_start", sequences: ["COLD", "WARM", "HOT"] },
] as const;
