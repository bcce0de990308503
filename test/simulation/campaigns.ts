// Campaigns of a run: launched, paused, cancelled and tried out by operators, in streams of their own, so that what happens beside them is drawn as without.

import type pg from "pg";
import { cancelCampaign, launchCampaign, pauseCampaign, resumeCampaign } from "../../src/campaigns/lifecycle.ts";
import { createCampaign } from "../../src/campaigns/service.ts";
import { testCampaign } from "../../src/campaigns/test-send.ts";
import { workspaceDb } from "../../src/db/workspace.ts";
import { MINUTE_MS, SECOND_MS } from "../../src/lib/clock.ts";
import type { Result } from "../../src/lib/errors.ts";
import { SEND_DEADLINE_MS } from "../../src/transports/transport.ts";
import { CAMPAIGNS_COUNTED } from "../support/counts.ts";
import type { Server } from "./pool.ts";
import { pick, type Scenario, type Sequence, upTo, type Workspace } from "./scenario.ts";
import type { Written } from "./wire.ts";
import type { World } from "./world.ts";

/** As messages on the wire are judged: by the text that they begin with. */
export type SimulatedCampaign = Pick<Sequence, "prefix" | "minDelaySeconds" | "scheduleTime" | "toleranceMinutes" | "timeZone"> & {
  readonly id: string;
  readonly workspaceId: string;
  cancelledAt: number;
};

export type CampaignsOptions = {
  readonly world: World;
  readonly pool: pg.Pool;
  readonly server: Server;
  readonly workspaces: readonly Workspace[];
  readonly scenario: Scenario;
  /** Runs what an operator does. */
  readonly perform: (run: () => Promise<unknown>) => Promise<void>;
  readonly fail: (problem: string) => void;
};

export interface Campaigns {
  readonly all: readonly SimulatedCampaign[];
  /** One that somebody else has made. */
  note(campaign: Pick<SimulatedCampaign, "id" | "workspaceId" | "prefix" | "minDelaySeconds">): SimulatedCampaign;
  schedule(): void;
  mend(): Promise<void>;
  checkMessage(message: Written): void;
  checkEnd(): Promise<void>;
}

/** Of the seeds. */
const SHARE = 0.4;

export function createCampaigns({ world, pool, server, workspaces, scenario, perform, fail }: CampaignsOptions): Campaigns {
  const random = world.random("campaigns");
  const all: SimulatedCampaign[] = [];
  const writesOf = (workspaceId: string) => ({ db: workspaceDb(pool, workspaceId), bell: { ring: () => {}, listen: () => () => {} } });
  const later = (ms: number, what: string, run: () => Promise<unknown>) => world.after(ms, null, what, () => void perform(run));
  const value = <T>(result: Result<T>): T | null => (result.ok ? result.value : null);

  const note: Campaigns["note"] = (made) => {
    const campaign = { ...made, scheduleTime: null, toleranceMinutes: 0, timeZone: null, cancelledAt: Infinity };
    all.push(campaign);
    return campaign;
  };

  const launch = async (workspace: Workspace, n: number) => {
    const writes = writesOf(workspace.id);
    const minDelaySeconds = pick(random, [0, 1, 5]);
    const prefix = `c${n}_`;
    const startAt = random() < 0.3 ? new Date(world.now() + 60 * MINUTE_MS * random()) : null;
    const audience = random() < 0.3 ? { createdBefore: new Date(world.now()) } : {};
    // As with sequences: never a pause that is the wait of a loop.
    const variants = n % 3 === 0 ? [{ name: "A", share: 40, text: `${prefix} A for {{name}}` }] : [];
    const input = { name: prefix, text: `${prefix} {Hi|Hello} {{name}}`, audience, startAt, minDelaySeconds, maxDelaySeconds: minDelaySeconds + 1 + upTo(random, 14), greeting: false, visibleVariation: false, variants };
    const id = value(await createCampaign(writes, input));
    if (id === null) return fail("a sound campaign was refused");
    const campaign = note({ id, workspaceId: workspace.id, prefix, minDelaySeconds });
    if (random() < 0.2) await testCampaign(writes, id, { leadId: pick(random, workspace.leads).id });
    if (value(await launchCampaign(writes, id, null)) === null) return; // nobody is left who has not opted out
    if (random() < 0.5) {
      later(20 * MINUTE_MS * random() ** 2, "pauses a campaign", async () => {
        await pauseCampaign(writes, id);
        later(10 * MINUTE_MS * random(), "resumes a campaign", () => resumeCampaign(writes, id));
      });
    }
    if (random() < 0.3) {
      later(30 * MINUTE_MS * random() ** 2, "cancels a campaign", async () => {
        if ((await cancelCampaign(writes, id)).ok) campaign.cancelledAt = world.now();
      });
    }
  };

  return {
    all,
    note,
    schedule() {
      if (random() >= SHARE) return;
      const count = 1 + upTo(random, 1);
      for (let n = 0; n < count; n++) later(5 * SECOND_MS + (scenario.troubleMs * random()) / 2, "launches a campaign", () => launch(pick(random, workspaces), n));
    },
    async mend() {
      for (const { id, workspaceId } of all) await resumeCampaign(writesOf(workspaceId), id);
    },
    checkMessage({ at, text, phone }) {
      const campaign = all.find(({ prefix }) => text.startsWith(prefix));
      if (campaign && at > campaign.cancelledAt + SEND_DEADLINE_MS) fail(`a campaign wrote to ${phone} ${at - campaign.cancelledAt} ms after it was cancelled`);
    },
    async checkEnd() {
      const open = await server.look<{ id: string; status: string }>("SELECT id, status FROM campaigns WHERE launch_id IS NOT NULL AND (status NOT IN ('COMPLETED', 'CANCELLED') OR finished_at IS NULL)");
      if (open[0]) fail(`P2: campaign ${open[0].id} is ${open[0].status}, and not over`);
      const twice = await server.look<{ lead_id: string }>(
        `SELECT f.lead_id FROM flows f JOIN lanes a ON a.id = f.lane_id WHERE f.campaign_id IS NOT NULL AND NOT a.is_test AND f.retry_of IS NULL GROUP BY f.campaign_id, f.lead_id HAVING count(*) > 1`,
      );
      if (twice[0]) fail(`P1: lead ${twice[0].lead_id} was fed twice to a campaign`);
      const wrong = await server.look<{ campaign_id: string }>(`
        SELECT t.campaign_id FROM campaign_totals t JOIN (${CAMPAIGNS_COUNTED}) AS n USING (campaign_id)
         WHERE (t.total, t.waiting, t.sent, t.failed, t.skipped, t.cancelled) IS DISTINCT FROM (n.total, n.waiting, n.sent, n.failed, n.skipped, n.cancelled)`);
      if (wrong[0]) fail(`the counts of campaign ${wrong[0].campaign_id} are wrong`);
    },
  };
}
