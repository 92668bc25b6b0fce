/** The latest changes of all objects: a bounded ring, filled for as long as the page is open. */
import { signal } from "@preact/signals";
import { type Problem } from "./api";
import { parse } from "./json";
import { listen } from "./stream";
import type { Change } from "./types";

export type Heard = { n: number; kind: string; id: string; change: Change };

/** How many changes are kept. */
export const KEPT = 2000;

/** How often what came in is shown. */
const SHOWN_EVERY_MS = 200;

/** The newest first. */
export const heard = signal<Heard[]>([]);
export const heardCount = signal(0);
export const missed = signal(0);
export const listening = signal(false);
export const liveProblem = signal<Problem | null>(null);

let waiting: Heard[] = [];
let shown: ReturnType<typeof setTimeout> | undefined;
let n = 0;
let stop: (() => void) | undefined;

/** Begins to listen, or begins anew. */
export function hear(): void {
  stop?.();
  liveProblem.value = null;
  stop = listen(() => "/v1/inspect/changes", {
    onOpen: () => (listening.value = true),
    onProblem: (problem) => {
      listening.value = false;
      liveProblem.value = problem;
    },
    onMessage: ({ event, data }) => {
      if (event === "missed") missed.value += (parse(data) as { count: number }).count;
      if (event !== "change") return;
      waiting.unshift({ n: ++n, ...(parse(data) as unknown as Omit<Heard, "n">) });
      if (waiting.length > KEPT) waiting.length = KEPT;
      shown ??= setTimeout(show, SHOWN_EVERY_MS);
    },
  });
}

function show(): void {
  shown = undefined;
  heardCount.value = n;
  heard.value = [...waiting, ...heard.value].slice(0, KEPT);
  waiting = [];
}

export function forget(): void {
  waiting = [];
  heard.value = [];
  missed.value = 0;
}
