/** Requests to the node. */
import { found, lost, refuse, token } from "./link";
import { isObject, parse, write, type Json } from "./json";

/** What went wrong, in the node's own words where it has some. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly retryable = false,
    readonly maybeApplied = false,
    readonly data?: Json,
  ) {
    super(detail);
  }
}

/** The node cannot be reached at all. */
export const AWAY = "away";

export function headers(): Record<string, string> {
  return token.value ? { authorization: `Bearer ${token.value}` } : {};
}

export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { cache: "no-store", ...init, headers: { ...headers(), ...(init.headers as object) } });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    lost();
    throw new Problem(0, AWAY, "the node does not answer; this page goes on by itself when it is back", true);
  }
  found();
  if (answer.ok) return answer;
  throw await problem(answer, path);
}

async function problem(answer: Response, path: string): Promise<Problem> {
  const body = await answer.text().then(parse).catch(() => null);
  const said = isObject(body) ? body : {};
  const text = (name: string, otherwise: string) => (typeof said[name] === "string" ? (said[name] as string) : otherwise);
  const detail = text("detail", answer.statusText || `the node answered with status ${answer.status}`);
  // A rule may forbid one call or one object to somebody who may look inside.
  if (answer.status === 401 || (answer.status === 403 && path.startsWith("/v1/inspect/"))) refuse(answer.status, detail);
  const code = text("code", String(answer.status));
  return new Problem(answer.status, code, detail, said["retryable"] === true, said["maybe_applied"] === true, said["data"]);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const answer = await send(path, signal ? { signal } : {});
  return parse(await answer.text()) as T;
}

export async function getText(path: string, signal?: AbortSignal): Promise<string> {
  return (await send(path, signal ? { signal } : {})).text();
}

export function objectPath(kind: string, id: string): string {
  return `/v1/objects/${encodeURIComponent(kind)}/${encodeURIComponent(id)}`;
}

export function query(parameters: Record<string, string | number | undefined>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

export type Reply = { result: Json; seq: number };

export type CallOptions = { key?: string; timeout?: string };

export async function call(kind: string, id: string, handler: string, args: Json, options: CallOptions = {}): Promise<Reply> {
  const more: Record<string, string> = {};
  if (options.key) more["idempotency-key"] = options.key;
  if (options.timeout) more["abide-timeout"] = options.timeout;
  const answer = await send(`${objectPath(kind, id)}/${encodeURIComponent(handler)}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...more },
    body: write(args),
  });
  return parse(await answer.text()) as Reply;
}

export async function remove(kind: string, id: string): Promise<boolean> {
  const answer = await send(objectPath(kind, id), { method: "DELETE" });
  return ((await answer.json()) as { deleted: boolean }).deleted;
}
