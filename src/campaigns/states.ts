// The life of a campaign, as data: documentation that the types, the API's enum and the mutations are made of.
//
//   DRAFT ──launch──▶ SCHEDULED ──begin──▶ RUNNING ──complete──▶ COMPLETED
//     └─────launch───────────────────────▶  │  ▲                     │
//                        │                pause │ ◀─────reopen───────┘
//                        └──pause──▶ PAUSED ◀┘  │
//                                      └──resume┘ (SCHEDULED where its time has not come)
//   SCHEDULED, RUNNING, PAUSED ──cancel──▶ CANCELLED
//
// Reopened by an operator's retry of one of its flows: it has something to send again. The lanes follow by themselves (campaign_status_changed).

export const CAMPAIGN_STATUSES = ["DRAFT", "SCHEDULED", "RUNNING", "PAUSED", "COMPLETED", "CANCELLED"] as const;
export type CampaignStatus = (typeof CAMPAIGN_STATUSES)[number];

export type CampaignChange = "launch" | "begin" | "pause" | "resume" | "complete" | "reopen" | "cancel";

export type CampaignTransition = { readonly from: readonly CampaignStatus[]; readonly to: readonly CampaignStatus[] };

export const CAMPAIGN_TRANSITIONS: { readonly [Change in CampaignChange]: CampaignTransition } = {
  launch: { from: ["DRAFT"], to: ["SCHEDULED", "RUNNING"] },
  begin: { from: ["SCHEDULED"], to: ["RUNNING"] },
  pause: { from: ["SCHEDULED", "RUNNING"], to: ["PAUSED"] },
  resume: { from: ["PAUSED"], to: ["SCHEDULED", "RUNNING"] },
  complete: { from: ["RUNNING"], to: ["COMPLETED"] },
  reopen: { from: ["COMPLETED"], to: ["RUNNING"] },
  cancel: { from: ["SCHEDULED", "RUNNING", "PAUSED"], to: ["CANCELLED"] },
};

/** What may still be changed of it, and whether it can be tried. */
export const EDITABLE: readonly CampaignStatus[] = ["DRAFT", "SCHEDULED"];
export const IS_OVER: readonly CampaignStatus[] = ["COMPLETED", "CANCELLED"];
