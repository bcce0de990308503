// How WhatsApp says that an account may not write to strangers for a while: by refusing such messages (463), by a notification, and when it is asked.

import type { Behaviour } from "./behaviour.ts";
import { type BinaryNode, element, SERVER } from "./stanza.ts";

const FIELD = "xwa2_fetch_account_reachout_timelock";
const NOTIFIED_FIELD = "xwa2_notify_account_reachout_timelock";

type Restriction = { readonly is_active: boolean; readonly time_enforcement_ends: string; readonly enforcement_type: string };

const restriction = (isActive: boolean, until: Date | undefined): Restriction => ({
  is_active: isActive,
  time_enforcement_ends: until ? String(Math.floor(until.getTime() / 1000)) : "0",
  enforcement_type: "DEFAULT",
});

export function restrictionNotification(id: string, isActive: boolean, until: Date | undefined): BinaryNode {
  const data = { [NOTIFIED_FIELD]: restriction(isActive, until) };
  return element("notification", { from: SERVER, type: "mex", id }, [
    element("update", { op_name: "NotificationUserReachoutTimelockUpdate" }, Buffer.from(JSON.stringify({ data }))),
  ]);
}

/** The answer to a question in GraphQL: the account's restriction, and nothing of whatever else is asked. */
export function accountInformation(behaviour: Behaviour): BinaryNode[] {
  const data = { [FIELD]: restriction(behaviour.isRestricted, behaviour.restrictedUntil ?? undefined) };
  return [element("result", {}, Buffer.from(JSON.stringify({ data })))];
}
