import type { LoggedEvent } from "../events/types.ts";
import type { ApiContext } from "./context.ts";

/** The caller's own events that it wants, since the cursor `after`, or from now on. The log gives no others, so that they are of the type that `wants` tells. */
export function followEvents<Event extends LoggedEvent>(
  { events, access, signal }: ApiContext,
  after: string | null | undefined,
  wants: (event: LoggedEvent) => event is Event,
): AsyncIterableIterator<Event> {
  return events.follow({ workspaceId: access.workspaceId, after: after ?? undefined, wants, signal }) as AsyncIterableIterator<Event>;
}
