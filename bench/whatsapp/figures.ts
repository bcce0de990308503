// A run's figures as people read them, beside the goals.

import { whole } from "../dispatch/table.ts";
import type { Spent } from "./meter.ts";
import type { Plan, Run } from "./run.ts";

/** Without a goal where it only explains the others. */
type Figure = { readonly what: string; readonly measured: string; readonly goal?: string; readonly holds?: boolean };

/** Goals of memory and time are those of 3,000 devices, and hold for fewer. */
const MOST_MB = 600;
const MOST_SECONDS = 180;
/** 500 messages a second on one core. */
const MOST_MS_PER_MESSAGE = 2;

export function figuresOf({ devices }: Plan, { connecting, idle, toNew, toKnown, cut, logins, compared }: Run): Figure[] {
  const perMessage = toKnown.serverMs / toKnown.messages;
  const mostMb = Math.max(connecting.rssMb, cut.rssMb, ...[...toNew.looks, ...toKnown.looks].map(({ rssMb }) => rssMb));
  return [
    { what: "all online after", measured: `${connecting.seconds.toFixed(1)} s`, goal: `≤ ${MOST_SECONDS} s`, holds: connecting.seconds <= MOST_SECONDS },
    { what: "logins/s, and the most in a second", measured: `${logins.first.perSecond.toFixed(1)}, ${logins.first.inOneSecond}` },
    { what: "CPU per device to connect", measured: `${(connecting.serverMs / devices).toFixed(1)} ms` },
    { what: "memory, all online", measured: `${whole(idle.rssMb)} MB`, goal: `≤ ${MOST_MB} MB`, holds: idle.rssMb <= MOST_MB },
    { what: "idle CPU of a core", measured: `${percent(idle)} %` },
    ...sendingFigures("new", toNew),
    ...sendingFigures("known", toKnown),
    { what: "to known contacts, of one core", measured: `${whole(1000 / perMessage)}/s`, goal: "≥ 500/s", holds: perMessage <= MOST_MS_PER_MESSAGE },
    { what: "memory: after sending, after the cut, the most", measured: `${[toKnown.rssMb, cut.rssMb, mostMb].map(whole).join(", ")} MB`, goal: `≤ ${MOST_MB} MB`, holds: mostMb <= MOST_MB },
    { what: "lag p99: connecting, idle, new, known, cut", measured: [connecting, idle, toNew, toKnown, cut].map(({ lagP99Ms }) => whole(lagP99Ms)).join(", ") + " ms" },
    { what: "all back after a cut", measured: `${cut.seconds.toFixed(1)} s`, goal: `≤ ${MOST_SECONDS} s`, holds: cut.seconds <= MOST_SECONDS },
    { what: "logins after it: most of a device, in a second", measured: `${logins.afterCut.ofOne}, ${logins.afterCut.inOneSecond}`, goal: "1 of each", holds: logins.afterCut.ofOne === 1 },
    { what: "sent; failed", measured: `${whole(compared.sent)}; ${compared.failed}`, goal: "none failed", holds: compared.failed === "0" },
  ];
}

const percent = ({ serverMs, seconds }: Spent) => (serverMs / seconds / 10).toFixed(1);

function sendingFigures(whom: string, figures: Spent): Figure[] {
  const { messages, seconds, serverMs, postgresMs, fakeMs, othersPercent } = figures;
  return [
    { what: `to ${whom} contacts`, measured: `${whole(messages / seconds)}/s` },
    { what: `CPU of a message to a ${whom} one: server + Postgres`, measured: `${(serverMs / messages).toFixed(2)} + ${(postgresMs / messages).toFixed(2)} ms` },
    { what: "busy: server, Postgres, fake server; others", measured: `${[serverMs, postgresMs, fakeMs].map((ms) => whole(ms / seconds / 10)).join(", ")} %; ${whole(othersPercent)} %` },
  ];
}
