/** Whether the node answers, and who we say we are. */
import { signal } from "@preact/signals";

/** `up` once a request was answered; `down` when one was not, until one is again. */
export const link = signal<"connecting" | "up" | "down">("connecting");

/** When the next look for a node that is away is due, in milliseconds since 1970. */
export const nextLook = signal(0);

/** Grows whenever everything has to be read anew: the node came back, or the token changed. */
export const epoch = signal(0);

/** What the node refused, if it wants to know who we are. */
export const refused = signal<{ status: number; detail: string } | null>(null);

/** The node wants another token. Said once, however many requests hear it. */
export function refuse(status: number, detail: string): void {
  const before = refused.value;
  if (before?.status !== status || before.detail !== detail) refused.value = { status, detail };
}

const TOKEN = "abide.token";

export const token = signal(sessionStorage.getItem(TOKEN) ?? "");

const WAIT_FIRST = 500;
const WAIT_MAX = 8000;

let wait = WAIT_FIRST;
let timer: ReturnType<typeof setTimeout> | undefined;

export function useToken(text: string): void {
  token.value = text;
  if (text) sessionStorage.setItem(TOKEN, text);
  else sessionStorage.removeItem(TOKEN);
  refused.value = null;
  epoch.value++;
}

/** The node answered. */
export function found(): void {
  wait = WAIT_FIRST;
  clearTimeout(timer);
  timer = undefined;
  const back = link.value === "down";
  if (link.value !== "up") link.value = "up";
  if (back) epoch.value++;
}

/** The node did not answer: looks for it until it does. */
export function lost(): void {
  link.value = "down";
  if (timer === undefined) lookLater();
}

function lookLater(): void {
  nextLook.value = Date.now() + wait;
  timer = setTimeout(look, wait);
  wait = Math.min(wait * 2, WAIT_MAX);
}

/** Looks for the node now. */
export async function look(): Promise<void> {
  clearTimeout(timer);
  timer = undefined;
  try {
    const answer = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(4000) });
    if (!answer.ok) throw new Error(answer.statusText);
    found();
  } catch {
    lookLater();
  }
}
