// Times of day: a sequence's window and a workspace's quiet hours, both the same on every day and in every zone.

/** From `start` to before `end`, as HH:MM or HH:MM:SS; an end that is not after the start lies on the next day. */
export type QuietHours = { readonly start: string; readonly end: string };

const DAY_MINUTES = 24 * 60;

/** Whether nothing of the window that opens at `scheduleTime` lies outside the quiet hours: then nothing would ever be sent. */
export function areQuietThroughout(scheduleTime: string, toleranceMinutes: number, { start, end }: QuietHours): boolean {
  const quietMinutes = minutesFrom(start, end);
  return minutesFrom(start, scheduleTime) + toleranceMinutes <= quietMinutes;
}

/** As the API shows it: HH:MM. */
export const shownTime = (time: string): string => time.slice(0, 5);

/** From one time of day on to the next time that it is the other. */
const minutesFrom = (time: string, later: string): number => (minutesOf(later) - minutesOf(time) + DAY_MINUTES) % DAY_MINUTES;

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = time.split(":").map(Number);
  return hours * 60 + minutes + seconds / 60;
}
