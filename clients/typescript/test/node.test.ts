import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";

import { Node } from "../../../tests/harness/node.ts";
import { AbideError, connect, type Db, type Options, type Status, type Update } from "../src/index.ts";

let node: Node;
const open: Db[] = [];
let fresh = 0;

beforeAll(async () => {
  node = await Node.start();
});
afterEach(() => {
  for (const db of open.splice(0)) db.close();
});
afterAll(() => node?.remove());

async function client(options: Options = {}): Promise<Db> {
  const db = await connect(node.url, { backoff: { minMs: 20, maxMs: 200 }, ...options });
  open.push(db);
  return db;
}

const name = () => `test-${(fresh += 1)}`;
const until = (what: () => unknown) => vi.waitFor(() => expect(what()).toBeTruthy(), { timeout: 20_000, interval: 10 });
const status = (db: Db, wanted: Status) => until(() => db.status === wanted);

test("a handler is called by its name and answers", async () => {
  const counter = (await client()).object("Counter", name());
  expect(await counter.call.increment({ amount: 5 })).toBe(5);
  expect(await counter.call.increment()).toBe(6);
  expect(await counter.call.get({}, { timeoutMs: 1000 })).toBe(6);
});

test("an error has the code, the sentence and the data of the handler", async () => {
  const db = await client();
  const limiter = db.object("RateLimiter", name());
  const error = await limiter.call.take({ permits: 11 }).catch((error: AbideError) => error);
  expect(error).toBeInstanceOf(AbideError);
  expect(error).toMatchObject({ code: "rejected", retryable: false, data: { left: 10 } });
  expect(error.message).toContain("10 permits are left");
  await expect(db.object("Countre", "x").call.get()).rejects.toMatchObject({ code: "unknown_kind" });
  await expect(db.object("Counter", "x").call.gte()).rejects.toMatchObject({ code: "unknown_handler" });
});

test("many calls at once have their own answers", async () => {
  const db = await client();
  const counter = db.object("Counter", name());
  const answers = await Promise.all(Array.from({ length: 2500 }, () => counter.call.increment()));
  expect(answers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 2500 }, (_, n) => n + 1));
});

test("the state is there at once and follows every change, a new value each time", async () => {
  const [mine, theirs] = [await client(), await client()];
  const id = name();
  const counter = mine.object("Counter", id);
  expect([counter.value, counter.status]).toEqual([undefined, "idle"]);
  const states: unknown[] = [];
  const stop = counter.subscribe((state) => states.push(state));
  await until(() => states.length === 1);
  expect([states[0], counter.status]).toEqual([null, "live"]);
  for (let n = 1; n <= 3; n += 1) await theirs.object("Counter", id).call.increment();
  await until(() => counter.value?.count === 3);
  expect(states.slice(1).map((state) => (state as { count: number }).count)).toEqual([1, 2, 3]);
  expect(counter.seq).toBe(3);
  stop();
  await theirs.object("Counter", id).call.increment();
  expect(await theirs.object("Counter", id).load()).toMatchObject({ count: 4 });
  expect(states).toHaveLength(4);
});

test("collections, removed fields and deletes are followed too", async () => {
  const db = await client();
  const room = db.object("ChatRoom", name());
  room.subscribe(() => undefined);
  await room.call.join({ name: "ada" });
  for (let n = 1; n <= 105; n += 1) await room.call.say({ name: "ada", text: `line ${n}` });
  await until(() => room.value?.said === 105);
  const kept = (await node.http(`/v1/objects/ChatRoom/${room.id}`)) as { state: { lines: unknown[] } };
  expect(room.value).toEqual(kept.state);
  expect(kept.state.lines).toHaveLength(100);

  const document = db.object("Document", name());
  document.subscribe(() => undefined);
  await document.call.set({ fields: { a: 1, b: { c: 2 } } });
  await document.call.remove({ names: ["a"] });
  await until(() => document.value?.b && !("a" in document.value));
  await fetch(`${node.url}/v1/objects/Document/${document.id}`, { method: "DELETE" });
  await until(() => document.value === null);
});

test("changes come in order from any seq, with their causes", async () => {
  const db = await client();
  const counter = db.object("Counter", name());
  await counter.call.increment({ amount: 5 }, { key: "first" });
  await counter.call.increment();
  const stop = new AbortController();
  const updates: Update[] = [];
  for await (const update of counter.changes({ after: 0, signal: stop.signal })) {
    updates.push(update);
    if (updates.length === 2) void counter.call.increment();
    if (updates.length === 3) stop.abort();
  }
  expect(updates.map((update) => update.seq)).toEqual([1, 2, 3]);
  expect(updates[0]).toMatchObject({ type: "change", patch: { count: 5 }, cause: { handler: "increment", key: "first" } });
});

test("a reader that is slow gets every change all the same", async () => {
  const [db, other] = [await client(), await client()];
  const counter = db.object("Counter", name());
  const seen: number[] = [];
  const reading = (async () => {
    for await (const update of counter.changes({ after: 0 })) {
      if (!seen.length) await Promise.all(Array.from({ length: 1500 }, () => other.object("Counter", counter.id).call.increment()));
      seen.push(update.seq);
      if (seen.length === 1501) return;
    }
  })();
  await counter.call.increment();
  await reading;
  expect(seen).toEqual(Array.from({ length: 1501 }, (_, n) => n + 1));
}, 60_000);

test("who looks at an object sees who else does, and what they say in passing", async () => {
  const [ada, bob] = [await client(), await client()];
  const id = name();
  const [hers, his] = [ada.object("ChatRoom", id), bob.object("ChatRoom", id)];
  his.presence.subscribe(() => undefined);
  hers.presence.set({ name: "Ada" });
  await until(() => his.presence.others.length === 1);
  expect(his.presence.others).toEqual([{ client: ada.client, data: { name: "Ada" } }]);
  expect(his.presence.others).toBe(his.presence.others);
  hers.presence.set({ name: "Ada", typing: true });
  await until(() => (his.presence.others[0]?.data as { typing?: boolean }).typing);
  expect(hers.presence.others).toEqual([]);

  const heard: unknown[] = [];
  his.onMessage((message) => heard.push(message));
  hers.send({ wave: 1 });
  await until(() => heard.length === 1);
  expect(heard).toEqual([{ from: ada.client, data: { wave: 1 } }]);
  hers.presence.clear();
  await until(() => his.presence.others.length === 0);
});

test("a call has a deadline, and may be given up", async () => {
  const db = await client();
  await node.kill();
  await status(db, "offline");
  const counter = db.object("Counter", name());
  await expect(counter.call.increment({}, { timeoutMs: 100 })).rejects.toMatchObject({ code: "deadline", maybeApplied: false });
  const stop = new AbortController();
  const call = counter.call.increment({}, { signal: stop.signal });
  stop.abort();
  await expect(call).rejects.toMatchObject({ code: "deadline" });
  await node.restart();
  await status(db, "online");
  expect(await counter.call.increment()).toBe(1);
});

test("a server that is killed under calls and comes back makes each of them once", async () => {
  const db = await client();
  const counter = db.object("Counter", name());
  const states: number[] = [];
  counter.subscribe((state) => state && states.push(state.count));
  let calls: Promise<number>[] = [];
  for (let round = 0; round < 3; round += 1) {
    const begun = Array.from({ length: 200 }, () => counter.call.increment());
    calls = calls.concat(begun);
    await begun[20];
    await node.kill();
    await status(db, "offline");
    calls.push(counter.call.increment());
    await node.restart();
    await status(db, "online");
  }
  const answers = await Promise.all(calls);
  expect(new Set(answers).size).toBe(603);
  expect(await counter.call.get()).toBe(603);
  await until(() => counter.value?.count === 603);
  expect(states).toEqual(states.toSorted((a, b) => a - b));
}, 60_000);

test("a call without a key is not sent twice: it says that it may have taken effect", async () => {
  const db = await client();
  const counter = db.object("Counter", name());
  await counter.call.increment();
  const calls = Array.from({ length: 100 }, () => counter.call.increment({}, { key: false }).then(() => 1, (error: AbideError) => error));
  await node.kill();
  const ends = await Promise.all(calls);
  const lost = ends.filter((end) => end !== 1) as AbideError[];
  expect(lost.every((error) => error.code === "unavailable" && error.maybeApplied)).toBe(true);
  await node.restart();
  await status(db, "online");
  expect(await counter.call.get()).toBeGreaterThanOrEqual(101 - lost.length);
});

test("watches go on after a restart, without a gap", async () => {
  const db = await client();
  const counter = db.object("Counter", name());
  await counter.call.increment();
  const seen: Update[] = [];
  const reading = (async () => {
    for await (const update of counter.changes({ after: 0 })) if (seen.push(update) === 3) return;
  })();
  await until(() => seen.length === 1);
  await node.kill();
  await node.restart();
  for (let n = 0; n < 2; n += 1) await node.http(`/v1/objects/Counter/${counter.id}/increment`, {});
  await reading;
  expect(seen.map((update) => [update.type, update.seq])).toEqual([["change", 1], ["change", 2], ["change", 3]]);
});

test("a node that stops in order says so, and its clients come back to the next", async () => {
  const db = await client();
  const counter = db.object("Counter", name());
  const statuses: Status[] = [];
  db.onStatus((status) => statuses.push(status));
  await counter.call.increment();
  await node.stop();
  const call = counter.call.increment();
  await node.restart();
  expect(await call).toBe(2);
  expect(statuses).toContain("offline");
  expect(db.status).toBe("online");
});

test("a client that is closed says so to whoever still asks", async () => {
  const db = await client();
  const counter = db.object("Counter", name());
  const reading = counter.changes().next();
  db.close();
  expect(db.status).toBe("closed");
  await expect(counter.call.get()).rejects.toMatchObject({ code: "unavailable" });
  await expect(reading).rejects.toMatchObject({ code: "unavailable" });
});

test("whoever asks for a state that cannot be had is told, each time", async () => {
  const db = await client();
  const wrong = db.object("Countre", name());
  for (let time = 0; time < 3; time += 1) await expect(wrong.load()).rejects.toMatchObject({ code: "unknown_kind" });
  const counter = db.object("Counter", name());
  await counter.call.increment();
  expect(await counter.load()).toMatchObject({ count: 1 });
  db.close();
  await expect(db.object("Counter", name()).load()).rejects.toMatchObject({ code: "unavailable" });
  await expect(counter.load()).rejects.toMatchObject({ code: "unavailable" });
  expect(counter.value).toMatchObject({ count: 1 });
});

test("a reader of many changes holds one listener of its signal", async () => {
  const db = await client();
  const counter = db.object("Counter", name());
  const [stop, held] = [new AbortController(), new Set<unknown>()];
  const { signal } = stop;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  let most = 0;
  signal.addEventListener = ((type: string, listener: () => void) => {
    most = Math.max(most, held.add(listener).size);
    add(type as "abort", listener);
  }) as typeof add;
  signal.removeEventListener = ((type: string, listener: () => void) => {
    held.delete(listener);
    remove(type as "abort", listener);
  }) as typeof remove;
  const reading = counter.changes({ after: 0, signal });
  for (let n = 1; n <= 20; n += 1) {
    const next = reading.next();
    await counter.call.increment();
    expect((await next).value).toMatchObject({ seq: n });
  }
  const last = reading.next();
  stop.abort();
  expect([(await last).done, most, held.size]).toEqual([true, 1, 0]);
});

test("without a node, connecting is done all the same, and goes on until there is one", async () => {
  await node.kill();
  const db = await client();
  expect([db.status, db.error?.code]).toEqual(["offline", "unavailable"]);
  const call = db.object("Counter", name()).call.increment();
  await node.restart();
  expect(await call).toBe(1);
});

test("a client has a session object of its own, and is pushed to", async () => {
  const [ada, bob] = [await client({ session: "ChatSession" }), await client({ session: "ChatSession" })];
  expect(ada.session?.id).toBe(ada.client);
  const [room, heard] = [name(), [] as unknown[]];
  bob.onPush((data) => heard.push(data));
  await ada.session?.call.enter({ name: "Ada" });
  expect(await ada.session?.call.join({ room })).toEqual([]);
  await ada.session?.call.whisper({ client: bob.client, text: "hello" });
  await until(() => heard.length === 1);
  expect(heard).toEqual([{ whisper: { from: "Ada", text: "hello" } }]);
  const watched = bob.object("ChatRoom", room);
  watched.subscribe(() => undefined);
  await until(() => watched.value?.members.includes("Ada"));
  ada.close();
  await until(() => watched.value?.members.length === 0);
});

test("a client that comes back in time is the same client and loses no push", async () => {
  const sockets: WebSocket[] = [];
  const Kept = class extends (await import("ws")).WebSocket {
    constructor(url: string) {
      super(url);
      sockets.push(this as unknown as WebSocket);
    }
  };
  const ada = await client({ session: "ChatSession" });
  const bob = await client({ session: "ChatSession", WebSocket: Kept, backoff: { minMs: 300, maxMs: 300 } });
  const [id, heard] = [bob.client, [] as unknown[]];
  bob.onPush((data) => heard.push((data as { whisper: { text: string } }).whisper.text));
  await ada.session?.call.enter({ name: "Ada" });
  const say = (text: string) => ada.session?.call.whisper({ client: id, text });
  await say("before");
  await until(() => heard.length === 1);
  (sockets[0] as unknown as { terminate(): void }).terminate();
  await status(bob, "offline");
  await say("while away");
  await status(bob, "online");
  await say("after");
  await until(() => heard.length === 3);
  expect(heard).toEqual(["before", "while away", "after"]);
  expect(bob.client).toBe(id);
});
