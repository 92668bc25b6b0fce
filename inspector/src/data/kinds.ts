/** The kinds of the node, read once and again when it comes back. */
import { signal } from "@preact/signals";
import { get, Problem } from "./api";
import type { Kind } from "./types";

export const kinds = signal<Kind[]>([]);
export const kindsProblem = signal<Problem | null>(null);
export const kindsRead = signal(false);

export async function readKinds(): Promise<void> {
  try {
    kinds.value = (await get<{ kinds: Kind[] }>("/v1/kinds")).kinds;
    kindsProblem.value = null;
    kindsRead.value = true;
  } catch (error) {
    if (error instanceof Problem) kindsProblem.value = error;
  }
}

/** How many colours kinds have. */
export const COLOURS = 12;

/** The colour of a kind: by its place among the kinds, so that few of them share one. */
export function kindColour(kind: string): number {
  const at = kinds.value.findIndex((known) => known.kind === kind);
  return (at < 0 ? 0 : at) % COLOURS;
}
