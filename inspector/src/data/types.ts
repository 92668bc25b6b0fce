/** What a node answers with. */
import type { Json } from "./json";

export type Name = { kind: string; id: string };

export type Snapshot = Name & { seq: number; state: Json; created_at: string; updated_at: string };

export type Listed = { id: string; seq: number; state: Json; created_at: string; updated_at: string };

export type ListPage = { objects: Listed[]; cursor: string | null; more: boolean };

export type Cause = { handler: string; key?: string; principal?: string };

export type Event = { id: string; type: string; data: Json; metadata?: Json };

export type Change = {
  seq: number;
  at: string;
  patch?: { [field: string]: Json };
  removed?: string[];
  events?: Event[];
  cause: Cause;
  deleted?: boolean;
};

export type ChangesPage = { changes: Change[]; next: number; more: boolean; head: number; floor: number };

export type Alarm = { name: string; due: string; payload: Json; attempt: number; schedule: Json; dead?: string };

export type Edge = {
  from: Name | null;
  to: Name;
  way: "call" | "message" | "alarm";
  handler: string;
  per_minute: number;
  idle_ms: number;
};

export type Graph = { edges: Edge[]; active: number; limit: number; forgotten: number; window_ms: number };

export type Activity = { in_memory: boolean; decoded: boolean; waiting: number; watchers: number; bytes: number };

export type NodeInfo = {
  version: string;
  uptime_ms: number;
  shards: number;
  running: boolean;
  metered: boolean;
  objects_in_memory: number;
  bytes_in_memory: number;
  process_bytes: number | null;
  objects_watched: number;
  messages_under_way: number;
  limits: { node: Record<string, number>; server: Record<string, number> };
};

export type StoreInfo = {
  store: string;
  id: string;
  schema: number;
  objects: Record<string, number>;
  indexes: { kind: string; path: string }[];
  changes: number;
  alarms: number;
  dead_alarms: number;
  outbox: number;
  outcomes: number;
  bytes: number;
  age_ms: number;
};

export type Schema = { [name: string]: Json };

export type Handler = {
  name: string;
  description: string;
  reads: boolean;
  parameters: { name: string; optional: boolean }[];
  arguments: Schema;
  output: Schema;
};

export type Kind = {
  kind: string;
  description: string;
  state: Schema;
  handlers: Handler[];
  alarms: Handler[];
  indexes: string[];
  options: {
    hibernate_after: string;
    shutdown_after: string;
    history: string | number;
    durability: string;
    version: number;
    stateless: boolean;
    autoload: string[];
    mailbox: number | null;
  };
};
