import type { Code } from "./error.js";
import type { Change, Principal, Search } from "./types.js";

/** The version of the frame vocabulary, `docs/frames.md`. */
export const PROTOCOL = 1;

/** What a client sends. */
export type ClientFrame =
  | { type: "hello"; proto: number; token?: string; client?: string; resume?: string; pushed?: number; session?: string }
  | Request
  | { type: "cancel"; n: number }
  | { type: "watch"; n: number; kind: string; id: string; after?: number; presence?: boolean }
  | { type: "unwatch"; n: number }
  | { type: "send"; kind: string; id: string; data: unknown }
  | { type: "present"; n: number; data: unknown }
  | { type: "ping" }
  | { type: "bye" };

/** What is answered by one result. */
export type Request =
  | CallFrame
  | { type: "get"; n: number; kind: string; id: string; at?: number }
  | { type: "delete"; n: number; kind: string; id: string }
  | ({ type: "list"; n: number; kind: string } & Search);

/** A call of a handler. */
export interface CallFrame {
  type: "call";
  n: number;
  kind: string;
  id: string;
  handler: string;
  args?: unknown;
  key?: string;
}

/** Why a request failed. */
export interface ErrorFrame {
  type: "error";
  n?: number;
  /** A `present` was refused: `n` is its watch, which goes on. */
  present?: boolean;
  code: Code;
  detail: string;
  retryable: boolean;
  maybe_applied?: boolean;
  retry_after_ms?: number;
  data?: unknown;
}

/** The answer to `hello`. */
export interface Welcome {
  type: "welcome";
  client: string;
  principal?: Principal;
  resume?: string;
  resumed?: boolean;
  missed?: number;
  grace_ms?: number;
  session?: string;
  server: string;
  proto: number;
  limits: { frame_bytes: number; calls: number; watches: number; timeout_ms?: number };
}

type State = Record<string, unknown> | null;

/** What a server sends. */
export type ServerFrame =
  | Welcome
  | ErrorFrame
  | WatchFrame
  | { type: "result"; n: number; result: unknown; seq: number }
  | { type: "push"; p: number; data: unknown }
  | { type: "goaway"; reconnect_in_ms: number }
  | { type: "pong" };

/** What belongs to a watch. */
export type WatchFrame =
  | { type: "broadcast"; n: number; kind: string; id: string; from?: string; data: unknown }
  | { type: "presence"; n: number; whole?: boolean; members: Record<string, unknown> }
  | { type: "snapshot"; n: number; seq: number; state: State }
  | { type: "reset"; n: number; reason: string; seq: number; state: State }
  | ({ type: "change"; n: number } & Change);
