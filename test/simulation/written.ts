// What must be true of each message in the moment that it is written, by the witness's own account.

import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "../../src/lib/clock.ts";
import { SEND_DEADLINE_MS } from "../../src/transports/transport.ts";
import { isBetween, isWithin } from "./local-time.ts";
import type { Campaigns } from "./campaigns.ts";
import type { Deeds } from "./operators.ts";
import type { Restrictions } from "./restrictions.ts";
import type { Device, Lead, Sequence, Workspace } from "./scenario.ts";
import type { Written } from "./wire.ts";

export type MessageCheckOptions = { readonly campaigns: Campaigns; readonly workspaces: readonly Workspace[]; readonly deeds: Deeds; readonly restrictions: Restrictions; readonly fail: (problem: string) => void };

type Place = { readonly workspace: Workspace; readonly device: Device; readonly lead: Lead; readonly sequence: Pick<Sequence, "minDelaySeconds" | "scheduleTime" | "toleranceMinutes" | "timeZone"> };

export function createMessageCheck({ campaigns, workspaces, deeds, restrictions, fail }: MessageCheckOptions): (message: Written) => void {
  const flows = new Set<string>();
  const times = new Map<string, number[]>();

  const placeOf = ({ deviceId, phone, text }: Written): Place | undefined => {
    const workspace = workspaces.find(({ devices }) => devices.some(({ id }) => id === deviceId));
    const device = workspace?.devices.find(({ id }) => id === deviceId);
    const lead = workspace?.leads.find((each) => each.phone === phone);
    // The text begins with its step's trigger, and that with its sequence's name; a campaign's with its own.
    const sequence = workspace?.sequences.find(({ prefix }) => text.startsWith(prefix)) ?? campaigns.all.find(({ prefix, workspaceId }) => workspaceId === workspace?.id && text.startsWith(prefix));
    return workspace && device && lead && sequence && { workspace, device, lead, sequence };
  };

  /** Counts the message among those of `what`, and says how many there are within `ms`. */
  const countWithin = (what: string, ms: number, at: number) => (times.get(what) ?? []).filter((time) => time > at - ms).length;
  const note = (what: string, at: number) => times.set(what, [...(times.get(what) ?? []), at]);

  const checkLimits = ({ at }: Written, { workspace, device, lead }: Place) => {
    for (const id of [device.id, lead.id, workspace.id]) note(id, at);
    const most = (what: string, id: string, ms: number, allowed: number) => {
      const count = countWithin(id, ms, at);
      if (count > allowed) fail(`${what}: ${count} messages within ${ms / HOUR_MS} h, where ${allowed} are allowed`);
    };
    most(`P4: device ${device.id}`, device.id, HOUR_MS, device.hourlyLimit);
    most(`P4: device ${device.id}`, device.id, DAY_MS, device.dailyLimit);
    if (workspace.ceiling !== null) most(`P4: workspace ${workspace.id}`, workspace.id, HOUR_MS, workspace.ceiling);
    if (workspace.cap !== null) most(`P5: lead ${lead.id}`, lead.id, workspace.cap.hours * HOUR_MS, workspace.cap.messages);
  };

  const checkTime = ({ at }: Written, { workspace, lead, sequence }: Place) => {
    const zone = lead.timeZone ?? sequence.timeZone ?? workspace.timeZone;
    const clock = () => new Date(at).toLocaleString("en-GB", { timeZone: zone });
    const { scheduleTime, toleranceMinutes } = sequence;
    if (scheduleTime !== null && !isWithin(zone, at, scheduleTime, toleranceMinutes * MINUTE_MS)) fail(`P5: written at ${clock()} in ${zone}, where its time is ${scheduleTime}`);
    if (workspace.quiet !== null && isBetween(zone, at, ...workspace.quiet)) fail(`P5: written at ${clock()} in ${zone}, where quiet hours are ${workspace.quiet.join("–")}`);
  };

  return (message) => {
    const { at, deviceId, phone, flowId, isNewest, process } = message;
    if (flows.has(flowId)) fail(`P1: flow ${flowId} was written twice`);
    flows.add(flowId);
    if (!isNewest) fail(`P7: ${process.name} wrote over ${deviceId}, of which another has a newer session`);
    const place = placeOf(message);
    if (place === undefined) return fail(`flow ${flowId}: nobody was to be written that by this device`);
    const { lead, sequence } = place;
    const last = times.get(deviceId)?.at(-1);
    const gapMs = sequence.minDelaySeconds * SECOND_MS;
    if (last !== undefined && at - last < gapMs) fail(`P6: ${at - last} ms between two messages of ${deviceId}, where ${gapMs} are the least`);
    campaigns.checkMessage(message);
    checkLimits(message, place);
    checkTime(message, place);
    if (restrictions.forbids(deviceId, lead.id, at)) fail(`restricted device ${deviceId} wrote to ${phone}, who has not written to it`);
    const optedOutAt = deeds.optedOutAt.get(lead.id);
    if (optedOutAt !== undefined && at > optedOutAt + SEND_DEADLINE_MS) fail(`P8: written to ${phone} ${at - optedOutAt} ms after the opt-out`);
  };
}
