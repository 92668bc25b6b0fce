/** What a client does with refusals that a node gives rarely: the server here says what a test wants it to. */
import type { AddressInfo } from "node:net";

import { afterEach, expect, test, vi } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";

import { connect, type Db } from "../src/index.ts";

type Frame = Record<string, unknown> & { type: string; n?: number };

const servers: WebSocketServer[] = [];
const open: Db[] = [];

afterEach(() => {
  for (const db of open.splice(0)) db.close();
  for (const server of servers.splice(0)) server.close();
});

/** A client of a server that greets, and answers everything else as it is told. */
async function client(answer: (frame: Frame, say: (frame: Frame) => void, socket: WebSocket) => void): Promise<Db> {
  const server = new WebSocketServer({ port: 0 });
  servers.push(server);
  server.on("connection", (socket) => {
    const say = (frame: Frame) => socket.send(JSON.stringify(frame));
    socket.on("message", (data) => {
      const frame = JSON.parse(String(data)) as Frame;
      const limits = { frame_bytes: 1 << 20, calls: 256, watches: 100 };
      if (frame.type === "hello") say({ type: "welcome", client: "me", server: "test", proto: 1, limits });
      else answer(frame, say, socket);
    });
  });
  const { port } = server.address() as AddressInfo;
  const db = await connect({ url: `http://127.0.0.1:${port}`, backoff: { minMs: 20, maxMs: 200 } });
  open.push(db);
  return db;
}

const until = (what: () => unknown) => vi.waitFor(() => expect(what()).toBeTruthy(), { timeout: 20_000, interval: 10 });

test("whatever refuses a call that was sent before says nothing about that, but for its handler", async () => {
  for (const [code, maybeApplied] of [["denied", true], ["conflict", true], ["rejected", false]] as const) {
    let sent = 0;
    const db = await client((frame, say, socket) => {
      if (frame.type !== "call") return;
      sent += 1;
      if (sent === 1) socket.terminate();
      else say({ type: "error", n: frame.n!, code, detail: "no", retryable: false });
    });
    await expect(db.call("Counter", "a", "increment")).rejects.toMatchObject({ code, maybeApplied });
    expect(sent).toBe(2);
  }
});

test("who is not shown to others watches on, and is shown when that may go well", async () => {
  const shown: unknown[] = [];
  const ended: Frame[] = [];
  const db = await client((frame, say) => {
    const { n } = frame as { n: number };
    if (frame.type === "watch") {
      say({ type: "snapshot", n, seq: 1, state: { count: 1 } });
      say({ type: "presence", n, whole: true, members: {} });
    } else if (frame.type === "present") {
      shown.push(frame["data"]);
      const code = shown.length === 1 ? "overloaded" : "bad_request";
      if (shown.length < 3) say({ type: "error", n, present: true, code, detail: "no", retryable: shown.length === 1, retry_after_ms: 10 });
      else say({ type: "change", n, seq: 2, at: "2026-01-02T03:04:05.678Z", patch: { count: 2 } });
    } else if (frame.type === "unwatch") {
      ended.push(frame);
    }
  });
  const counter = db.object("Counter", "a");
  counter.presence.set({ name: "Ada" });
  counter.subscribe(() => undefined);
  await until(() => shown.length === 2);
  counter.presence.set({ name: "Grace" });
  await until(() => counter.value?.count === 2);
  expect(shown).toEqual([{ name: "Ada" }, { name: "Ada" }, { name: "Grace" }]);
  expect([counter.status, ended]).toEqual(["live", []]);
});
