/** What a client does with refusals that a node gives rarely: the server here says what a test wants it to. */
import { afterEach, expect, test, vi } from "vitest";

import type { AbideError } from "../src/index.ts";
import { Pretended, type Frame } from "./pretend.ts";

const world = new Pretended();
const client = world.client.bind(world);

afterEach(() => world.end());

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

test("a watch that is refused for a time is asked for again, whatever becomes of what is shown beside it", async () => {
  const heard: string[] = [];
  const db = await client((frame, say) => {
    const { n } = frame as { n: number };
    const refuse = (more: object) => say({ type: "error", n, detail: "no", retryable: true, ...more });
    if (frame.type === "watch") {
      heard.push(`watch ${n}`);
      say({ type: "snapshot", n, seq: heard.length, state: { count: heard.length } });
      say({ type: "presence", n, whole: true, members: {} });
    } else if (frame.type === "present" && (frame["data"] as { x: number }).x === 2) {
      // The watch ends; what comes for it from now on is about nothing.
      refuse({ code: "unavailable", retry_after_ms: 300 });
      refuse({ code: "rate_limited", present: true, retry_after_ms: 10 });
    } else if (frame.type === "present" && heard.at(-1) !== "present again") {
      if (heard.length > 1) heard.push("present again");
    }
  });
  const counter = db.object("Counter", "a");
  counter.presence.set({ x: 1 });
  const stop = counter.subscribe(() => undefined);
  await until(() => counter.value?.count === 1);
  counter.presence.set({ x: 2 });
  counter.presence.set({ x: 3 });
  await until(() => counter.value?.count === 2);
  await until(() => heard.includes("present again"));
  expect(heard.filter((each) => each.startsWith("watch"))).toHaveLength(2);
  expect(new Set(heard).size).toBe(3);
  stop();
});

test("a watch that is refused again and again is asked for ever more rarely", async () => {
  const asked: number[] = [];
  const db = await client((frame, say) => {
    if (frame.type !== "watch") return;
    asked.push(performance.now());
    if (asked.length <= 5) say({ type: "error", n: frame.n!, code: "unavailable", detail: "no", retryable: true });
    else say({ type: "snapshot", n: frame.n!, seq: 1, state: { count: 1 } });
  });
  expect(await db.object("Counter", "a").load()).toEqual({ count: 1 });
  const waits = asked.slice(1).map((time, at) => time - asked[at]!);
  expect(waits[4]).toBeGreaterThan(1500);
});

test("what is not shown for good can be seen, and what is too long is not sent", async () => {
  const shown: unknown[] = [];
  const db = await client((frame, say) => {
    const { n } = frame as { n: number };
    if (frame.type === "watch") {
      say({ type: "snapshot", n, seq: 1, state: { count: 1 } });
      say({ type: "presence", n, whole: true, members: {} });
    } else if (frame.type === "present") {
      shown.push(frame["data"]);
      if (shown.length === 1) say({ type: "error", n, present: true, code: "denied", detail: "not you", retryable: false });
    }
  });
  const { presence } = db.object("Counter", "a");
  let told = 0;
  presence.subscribe(() => (told += 1));
  expect(() => presence.set("x".repeat(5000))).toThrow(expect.objectContaining({ code: "too_large" }));
  expect(() => presence.set("\u20ac".repeat(1400))).toThrow(/4096 bytes/);
  presence.set({ x: 1 });
  await until(() => presence.error);
  expect([presence.error?.code, shown, told > 1]).toEqual(["denied", [{ x: 1 }], true]);
  presence.set({ x: 2 });
  expect(presence.error).toBeUndefined();
  await until(() => shown.length === 2);
  expect(() => db.object("Counter", "a").send("x".repeat(70_000))).toThrow(expect.objectContaining({ code: "too_large" }));
});

test("a watch that has failed is begun anew by whoever looks next, also beside those who saw it fail", async () => {
  let asked = 0;
  const db = await client((frame, say) => {
    if (frame.type !== "watch") return;
    asked += 1;
    if (asked <= 2) say({ type: "error", n: frame.n!, code: "denied", detail: "no", retryable: false });
    else say({ type: "snapshot", n: frame.n!, seq: 7, state: { count: 7 } });
  });
  const counter = db.object("Counter", "a");
  const failures: unknown[] = [];
  const stop = counter.subscribe(() => failures.push(counter.error?.code));
  await until(() => failures.length === 1);
  await expect(counter.load()).rejects.toMatchObject({ code: "denied" });
  expect(await counter.load()).toEqual({ count: 7 });
  expect([counter.status, counter.error, failures]).toEqual(["live", undefined, ["denied", "denied", undefined]]);
  stop();
});

test("whoever shows something beside an object that is refused asks for nothing", async () => {
  const heard: string[] = [];
  let allowed = true;
  const db = await client((frame, say) => {
    const n = frame.n!;
    if (frame.type === "call") return say({ type: "result", n, result: 5, seq: 1 });
    heard.push(frame.type);
    if (frame.type === "watch" && allowed) {
      say({ type: "snapshot", n, seq: 7, state: { count: 7 } });
      say({ type: "presence", n, whole: true, members: {} });
    } else if (frame.type === "watch" || (frame.type === "present" && (frame["data"] as { x: number }).x === 1)) {
      allowed = false;
      say({ type: "error", n, code: "denied", detail: "no longer", retryable: false });
    }
  });
  const [counter, other] = [db.object("Counter", "a"), db.object("Counter", "b")];
  let told = 0;
  counter.subscribe(() => (told += 1));
  await until(() => counter.value);
  counter.presence.set({ x: 1 });
  await until(() => counter.error);
  other.subscribe(() => undefined);
  await until(() => other.error);
  const seen = told;
  for (let x = 2; x < 20; x += 1) {
    counter.presence.set({ x });
    other.presence.set({ x });
    await db.call("Counter", "a", "increment");
  }
  expect(heard.filter((type) => type !== "unwatch")).toEqual(["watch", "watch", "present", "watch"]);
  expect([told, counter.value, counter.status, other.status]).toEqual([seen, { count: 7 }, "failed", "failed"]);
  allowed = true;
  expect(await counter.load()).toEqual({ count: 7 });
  await until(() => heard.at(-1) === "present");
});

test("a watch that was refused for good is begun anew ever more rarely, whoever looks", async () => {
  const asked: number[] = [];
  const db = await client((frame, say) => {
    if (frame.type !== "watch") return;
    asked.push(performance.now());
    say({ type: "error", n: frame.n!, code: "denied", detail: "no", retryable: false });
  });
  const counter = db.object("Counter", "a");
  for (let n = 0; n < 6; n += 1) {
    counter.presence.subscribe(() => undefined);
    counter.onMessage(() => undefined);
    await expect(counter.load()).rejects.toMatchObject({ code: "denied" });
  }
  const waits = asked.slice(1).map((time, at) => time - asked[at]!);
  expect(waits).toHaveLength(5);
  expect(waits[4]).toBeGreaterThan(1500);
});

test("who refuses a client for good is believed, and tells so to whoever still asks", async () => {
  const codes = ["bad_request", "rejected", "unknown_kind", "unknown_handler", "too_large", "unsupported_media", "denied", "unauthenticated"];
  for (const code of codes) {
    const url = world.serve(() => undefined, (_, __, say) => say({ type: "error", code, detail: "no", retryable: false }));
    await expect(world.connect(url)).rejects.toMatchObject({ code });
  }
  const sockets: { terminate(): void }[] = [];
  const url = world.serve(() => undefined, (count, _, say, socket) => {
    sockets.push(socket);
    if (count > 1) return say({ type: "error", code: count === 2 ? "internal" : "denied", detail: "no", retryable: false });
    return {};
  });
  const db = await world.connect(url);
  const counter = db.object("Counter", "a");
  const errors: (AbideError | undefined)[] = [];
  counter.subscribe(() => errors.push(counter.error));
  sockets[0]!.terminate();
  await until(() => db.status === "closed");
  expect([sockets.length, db.error?.code, errors.map((error) => error?.code)]).toEqual([3, "denied", ["denied"]]);
  await expect(counter.load()).rejects.toMatchObject({ code: "denied" });
  await expect(db.object("Counter", "b").load()).rejects.toMatchObject({ code: "denied" });
});

test("a server that welcomes and breaks off is asked ever more rarely", async () => {
  const times: number[] = [];
  const url = world.serve(() => undefined, (_, __, say, socket) => {
    times.push(performance.now());
    say({ type: "welcome", client: "me", server: "test", proto: 1, limits: { frame_bytes: 1000, calls: 1, watches: 1, timeout_ms: 1000 } });
    socket.close();
  });
  await world.connect(url, { backoff: { minMs: 50, maxMs: 60_000 } });
  await until(() => times.length === 6);
  // At least the half of 100, 200, 400, 800 and 1600 ms.
  expect(times[5]! - times[0]!).toBeGreaterThan(1400);
});

test("a listener that throws takes nothing from the others, nor from the connection", async () => {
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  const thrown: string[] = [];
  process.on("uncaughtException", (error) => thrown.push(error.message));
  try {
    const sockets: { terminate(): void }[] = [];
    const url = world.serve((frame, say) => {
      if (frame.type === "watch") {
        say({ type: "snapshot", n: frame.n!, seq: 1, state: { count: 1 } });
        say({ type: "broadcast", n: frame.n!, kind: "Counter", id: "a", data: 1 });
        say({ type: "push", p: 3, data: 1 });
      } else if (frame.type === "call") {
        say({ type: "result", n: frame.n!, result: 5, seq: 1 });
      }
    }, (_, __, ___, socket) => ({ count: sockets.push(socket) }));
    const db = await world.connect(url);
    const heard = new Set<string>();
    const fail = (what: string) => () => {
      throw new Error(what);
    };
    db.onStatus(fail("status"));
    db.onStatus((status) => heard.add(status));
    db.onPush(fail("push"));
    db.onPush(() => heard.add("push"));
    db.onMissed(fail("missed"));
    const counter = db.object("Counter", "a");
    counter.subscribe(fail("state"));
    counter.subscribe(() => heard.add("state"));
    counter.onMessage(fail("message"));
    counter.onMessage(() => heard.add("message"));
    await until(() => heard.has("push"));
    sockets[0]!.terminate();
    await until(() => heard.has("online"));
    expect(await counter.call.increment()).toBe(5);
    expect([...heard].toSorted()).toEqual(["message", "offline", "online", "push", "state"]);
    await until(() => thrown.length >= 6);
    expect([...new Set(thrown)].toSorted()).toEqual(["message", "missed", "push", "state", "status"]);
  } finally {
    world.end();
    await new Promise(setImmediate); // they have thrown
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
  }
});
