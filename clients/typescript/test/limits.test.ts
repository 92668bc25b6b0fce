/** Times and sizes at their edges. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, expect, test, vi } from "vitest";

import { Node } from "../../../tests/harness/node.ts";
import { Pretended, type Frame } from "./pretend.ts";

const world = new Pretended();

afterEach(() => world.end());

const until = (what: () => unknown) => vi.waitFor(() => expect(what()).toBeTruthy(), { timeout: 20_000, interval: 10 });

test("a call that waits longer than a node lets it is made all the same", async () => {
  const folder = await mkdtemp(join(tmpdir(), "abide-limits-"));
  const config = join(folder, "abide.toml");
  await writeFile(config, '[limits]\ncall_timeout = "2s"\ncall_timeout_max = "2s"\n');
  const node = await Node.start("--config", config);
  try {
    const db = await world.connect(node.url);
    const counter = db.object("Counter", "a");
    expect(await counter.call.increment()).toBe(1);
    expect(await counter.call.increment({}, { timeoutMs: 2 * 60 * 60 * 1000 })).toBe(2);
    expect(await counter.call.increment({}, { timeoutMs: Infinity })).toBe(3);
    expect(await counter.call.increment({}, { timeoutMs: 1500.5 })).toBe(4);
  } finally {
    await node.remove();
    await rm(folder, { recursive: true });
  }
});

test("a node's deadline that is earlier than the caller's is no end, but for a call without a key", async () => {
  const sent: Frame[] = [];
  const late = { type: "error", code: "deadline", detail: "too late", retryable: true, maybe_applied: true };
  const url = world.serve((frame, say) => {
    if (frame.type !== "call") return;
    sent.push(frame);
    if (sent.filter(({ key }) => key === frame["key"]).length < 3) say({ ...late, n: frame.n! });
    else say({ type: "result", n: frame.n!, result: 5, seq: 1 });
  }, () => ({ limits: { frame_bytes: 1000, calls: 10, watches: 10, timeout_ms: 1000 } }));
  const db = await world.connect(url);
  expect(await db.call("Counter", "a", "increment")).toBe(5);
  expect(sent.map((frame) => [frame["key"], frame["timeout_ms"]])).toEqual(Array(3).fill([sent[0]!["key"], 1000]));
  const once = db.call("Counter", "a", "increment", {}, { key: false });
  await expect(once).rejects.toMatchObject({ code: "deadline", maybeApplied: true });
  const own = db.call("Counter", "a", "increment", {}, { key: "mine", timeoutMs: 900 });
  await expect(own).rejects.toMatchObject({ code: "deadline", maybeApplied: true });
  expect(sent).toHaveLength(5);
  expect(sent[4]!["timeout_ms"]).toBeLessThanOrEqual(900);
});

test("a caller that waits for ever does, and a silence without end is no death", async () => {
  let connections = 0;
  const pings: Frame[] = [];
  const url = world.serve((frame, say) => {
    if (frame.type === "ping") pings.push(frame);
    else if (frame.type === "call") setTimeout(() => say({ type: "result", n: frame.n!, result: 5, seq: 1 }), 300);
  }, () => ({ count: (connections += 1) }));
  const db = await world.connect(url, { heartbeatMs: Infinity, timeoutMs: 2 ** 40 });
  expect(await db.call("Counter", "a", "increment")).toBe(5);
  expect(await db.call("Counter", "a", "increment", {}, { timeoutMs: Infinity })).toBe(5);
  expect([connections, pings]).toEqual([1, []]);
});

test("what is longer than a node takes is not sent, however it is counted and whenever it was made", async () => {
  const lengths: number[] = [];
  let connections = 0;
  let drop = () => {};
  const url = world.serve((frame, say, socket) => {
    if (frame.type !== "call") return;
    lengths.push(Buffer.byteLength(JSON.stringify(frame)));
    drop = () => socket.terminate();
    if (connections > 1) say({ type: "result", n: frame.n!, result: 5, seq: 1 });
  }, () => {
    connections += 1;
    return { limits: { frame_bytes: connections === 1 ? 2000 : 1000, calls: 1, watches: 1, timeout_ms: 60_000 } };
  });
  const connecting = world.connect(url);
  const db = await connecting;
  const say = (text: string) => db.call("Counter", "a", "say", { text });
  await expect(say("x".repeat(2000))).rejects.toMatchObject({ code: "too_large", maybeApplied: false });
  // Two bytes each in UTF-8, one unit each in a string.
  await expect(say("é".repeat(1000))).rejects.toMatchObject({ code: "too_large" });
  const sent = say("x".repeat(1500));
  const waiting = say("x".repeat(1400));
  await until(() => lengths.length === 1);
  drop();
  await expect(sent).rejects.toMatchObject({ code: "too_large", maybeApplied: true });
  await expect(waiting).rejects.toMatchObject({ code: "too_large", maybeApplied: false });
  expect(await say("x".repeat(500))).toBe(5);
  expect(lengths).toHaveLength(2);
});

test("a call is sent as it was when it was made", async () => {
  const sent: Frame[] = [];
  const db = await world.client((frame, say, socket) => {
    if (frame.type !== "call") return;
    sent.push(frame);
    if (sent.length === 1) socket.terminate();
    else say({ type: "result", n: frame.n!, result: 5, seq: 1 });
  });
  const args = { amount: 1 };
  const call = db.call("Counter", "a", "increment", args);
  args.amount = 2;
  await call;
  expect(sent.map((frame) => frame["args"])).toEqual([{ amount: 1 }, { amount: 1 }]);
  await expect(db.call("Counter", "a", "increment", { amount: 5n })).rejects.toThrow(TypeError);
});

test("a call that waits before it is sent again takes no place from the others", async () => {
  const sent: unknown[] = [];
  const url = world.serve((frame, say) => {
    if (frame.type !== "call") return;
    sent.push(frame["id"]);
    if (sent.length > 1) say({ type: "result", n: frame.n!, result: 5, seq: 1 });
    else say({ type: "error", n: frame.n!, code: "overloaded", detail: "no", retryable: true, retry_after_ms: 300 });
  }, () => ({ limits: { frame_bytes: 1000, calls: 1, watches: 1, timeout_ms: 60_000 } }));
  const db = await world.connect(url);
  expect(await Promise.all(["a", "b", "c"].map((id) => db.call("Counter", id, "increment")))).toEqual([5, 5, 5]);
  expect(sent).toEqual(["a", "b", "c", "a"]);
});

test("for a call that was given up no timer is kept", async () => {
  const set = vi.spyOn(globalThis, "setTimeout");
  const cleared = vi.spyOn(globalThis, "clearTimeout");
  try {
    const db = await world.client((frame, say) => {
      if (frame.type !== "call") return;
      say({ type: "error", n: frame.n!, code: "overloaded", detail: "no", retryable: true, retry_after_ms: 23_456 });
    });
    const stop = new AbortController();
    const call = db.call("Counter", "a", "increment", {}, { signal: stop.signal }).catch((error: unknown) => error);
    const held = () => set.mock.calls.findIndex(([, ms]) => ms === 23_456);
    await until(() => held() >= 0);
    stop.abort();
    expect(await call).toMatchObject({ code: "deadline", maybeApplied: false });
    expect(cleared.mock.calls.map(([timer]) => timer)).toContain(set.mock.results[held()]!.value);
  } finally {
    set.mockRestore();
    cleared.mockRestore();
  }
});

test("what is read is asked for again until its caller waits no longer, whatever the node lets it wait", async () => {
  const asked: string[] = [];
  const db = await world.client((frame, say) => {
    if (frame.type === "bye") return;
    asked.push(frame.type);
    const times = asked.filter((type) => type === frame.type).length;
    if (times < 3) say({ type: "error", n: frame.n!, code: "deadline", detail: "too late", retryable: true });
    else say({ type: "result", n: frame.n!, result: frame.type === "get" ? null : { objects: [], cursor: null, deleted: true }, seq: 0 });
  });
  expect(await db.get("Counter", "a")).toBeNull();
  expect(await db.list("Counter")).toEqual({ objects: [], cursor: null });
  await expect(db.delete("Counter", "a")).rejects.toMatchObject({ code: "deadline" });
  expect(asked).toEqual(["get", "get", "get", "list", "list", "list", "delete"]);
});
