import type { LoggedEvent } from "../events/types.ts";
import { builder } from "../graphql/builder.ts";
import { followEvents } from "../graphql/follow-events.ts";
import { EnrollmentRef, EnrollmentStatusEnum, SequenceRef } from "./refs.ts";
import type { EnrollmentStatus } from "./enrollments.ts";

type EnrollmentEvent = LoggedEvent & { readonly type: "ENROLLMENT"; readonly enrollmentId: string };

const EnrollmentEventObject = builder.objectRef<EnrollmentEvent>("EnrollmentEvent").implement({
  description: "A lead began a sequence, was paused or resumed in it, or left it.",
  fields: (t) => ({
    cursor: t.expose("cursor", { type: "Cursor", description: "Pass it as `after` to go on from here." }),
    at: t.expose("at", { type: "DateTime", description: "When it happened." }),
    status: t.field({ type: EnrollmentStatusEnum, description: "What it was then.", resolve: ({ status }) => status as EnrollmentStatus }),
    reason: t.exposeString("reason", { nullable: true, description: "Why it stopped: as stopReason, or in the operator's own words." }),
    enrollment: t.field({
      type: EnrollmentRef,
      description: "The enrolment as it is now, which may be further than it was then.",
      resolve: ({ enrollmentId }) => enrollmentId,
    }),
  }),
});

builder.subscriptionField("enrollmentEvents", (t) =>
  t.field({
    type: EnrollmentEventObject,
    description: "Every change of an enrolment's state.",
    args: { after: t.arg({ type: "Cursor" }), sequenceId: t.arg.globalID({ for: SequenceRef, description: "Only of this sequence." }) },
    subscribe: (_root, { after, sequenceId }, context) => {
      const wants = (event: LoggedEvent): event is EnrollmentEvent => event.type === "ENROLLMENT" && event.enrollmentId !== null && (!sequenceId || event.sequenceId === sequenceId.id);
      return followEvents(context, after, wants);
    },
    resolve: (event) => event,
  }),
);
