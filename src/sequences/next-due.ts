// When the flow that follows is due, as SQL: one text for settling and for the dry run, or what the one promises and what the other does would drift apart.

/** By the wall clock. `s`, `n`: the sequences (sequence_id) of this step and the next; `nq`: the next one's row; `z.next_zone`: the lead's zone there; `a.time_zone`: here;
 *  `delay.hours`; `soon`: `wall`, when this step was due; `planned`, the end of the delay; `earliest`, the least time from when it was settled. */
export const NEXT_DUE = `
                    -- From when it was due, not from when it was sent, or a daily message drifts out of its window; but after a backlog
                    -- never closer to the last one than the minimum delay.
                    WHEN nq.schedule_time IS NULL THEN greatest(soon.planned, soon.earliest)
                    -- In days of the person's own calendar, which daylight saving makes an hour shorter or longer; never twice in one window.
                    WHEN n.sequence_id = s.sequence_id
                    THEN next_opening(z.next_zone, nq.schedule_time, (soon.wall AT TIME ZONE sound_zone(a.time_zone))::date + ceil(delay.hours / 24)::int, soon.earliest)
                    ELSE next_opening(z.next_zone, nq.schedule_time, '-infinity', greatest(soon.planned, soon.earliest) - make_interval(mins => nq.schedule_tolerance_minutes))`;

/** No step waits longer for the next: the rules refuse more, but SQL can write it into a sequence that runs. */
export const MAX_STEP_DELAY_HOURS = 8760;
