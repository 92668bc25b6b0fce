/** What `setTimeout` takes at most: beyond it, it fires at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** A timer that may be cleared. */
export type Timer = ReturnType<typeof setTimeout>;

/** Runs something later; `Infinity` is as long as the platform can wait. */
export function later(ms: number, run: () => void): Timer {
  return setTimeout(run, Math.min(ms, LONGEST_MS));
}

/** The same, but no process lives on for it. */
export function idly(ms: number, run: () => void): Timer {
  const timer = later(ms, run);
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

/** Milliseconds since some moment: a time that nobody sets. */
export function now(): number {
  return performance.now();
}

/** How long to wait before something is asked for again, after it was refused `attempts` times before. */
export function pause(attempts: number, least = 0): number {
  return Math.max(least, Math.min(5000, 100 * 2 ** attempts));
}
