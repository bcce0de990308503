import type { Access } from "../access/tokens.ts";
import type { Cache } from "../cache/cache.ts";
import type { Deed, WorkspaceDb } from "../db/workspace.ts";
import type { FleetView } from "../devices/fleet-view.ts";
import type { Bell } from "../events/bell.ts";
import type { EventLog } from "../events/types.ts";
import type { MessageIds } from "../flows/message-id.ts";
import type { Importer } from "../leads/import.ts";
import type { OptOutHash } from "../leads/screen.ts";
import type { Clock } from "../lib/clock.ts";
import type { Sealer } from "../lib/sealing.ts";
import type { Watch } from "../lib/watch.ts";
import type { FetchMedia } from "../media/fetch.ts";
import type { WebhookSettings } from "../webhooks/endpoints.ts";

/** What the resolvers of all requests share. */
export type Services = {
  readonly bell: Bell;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly events: EventLog;
  readonly fleet: FleetView;
  readonly importer: Importer;
  readonly watch: Watch;
  readonly fetchMedia: FetchMedia;
  readonly messageIds: MessageIds;
  readonly optOutHash: OptOutHash;
  /** Opens what is kept encrypted. */
  readonly sealer: Sealer;
  /** The shortest delay between two steps that a sequence may ask for. */
  readonly minStepDelayHours: number;
  readonly webhooks: WebhookSettings;
  readonly version: string;
};

/** What a resolver has beside its arguments. One for each request, and one for each event of a subscription: loaders keep what they
 *  have read as long as their context lives, and an event's object is to be shown as it is now. */
export type ApiContext = Services & {
  readonly access: Access;
  /** The database as the caller's workspace may see it. */
  readonly db: WorkspaceDb;
  /** Notes which mutation runs, for the audit log. Those of one request run one after the other. */
  readonly begin: (deed: Deed) => void;
  /** Aborts when the caller is gone, its token is no longer good, or the server stops. Ends subscriptions. */
  readonly signal: AbortSignal;
};
