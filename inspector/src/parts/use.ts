/** Hooks. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../data/api";
import { epoch, refused } from "../data/link";

export type Loaded<T> = { data: T | undefined; problem: Problem | null; loading: boolean; reload(): void };

/**
 * Reads something from the node: now, when `key` changes, when the node comes back, and every `everyMs`.
 * What was read before stays until there is something newer for the same key.
 */
export function useLoad<T>(key: string | null, read: (signal: AbortSignal) => Promise<T>, everyMs = 0): Loaded<T> {
  const [state, set] = useState<{ key: string | null; data?: T; problem: Problem | null }>({ key: null, problem: null });
  const [turn, again] = useState(0);
  const anew = epoch.value;
  const latest = useRef(read);
  latest.current = read;
  useEffect(() => {
    if (key === null) return;
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = async () => {
      try {
        const data = await latest.current(gone.signal);
        if (!gone.signal.aborted) set({ key, data, problem: null });
      } catch (error) {
        if (gone.signal.aborted) return;
        const problem = error instanceof Problem ? error : new Problem(0, "inspector", String(error));
        set((old) => (old.key === key && old.data !== undefined ? { ...old, problem } : { key, problem }));
      }
      if (everyMs > 0 && !gone.signal.aborted) timer = setTimeout(poll, everyMs);
    };
    const poll = () => {
      if (document.visibilityState === "visible" && !refused.value) void load();
      else timer = setTimeout(poll, everyMs);
    };
    void load();
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [key, turn, anew, everyMs]);
  const mine = state.key === key;
  const data = mine ? state.data : undefined;
  const problem = mine ? state.problem : null;
  return { data, problem, loading: key !== null && data === undefined && problem === null, reload: () => again((n) => n + 1) };
}

/** The time, again every `everyMs`. */
export function useNow(everyMs = 1000): number {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** A value that follows another once it rests. */
export function useRested<T>(value: T, ms: number): T {
  const [rested, set] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => set(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return rested;
}
