/** What is asked of objects besides calling and watching them. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { Node } from "../../../tests/harness/node.ts";
import { connect, type Db } from "../src/index.ts";
import { Pretended, type Frame } from "./pretend.ts";

let node: Node;
let db: Db;
const world = new Pretended();

beforeAll(async () => {
  node = await Node.start();
  db = await connect(node.url, { backoff: { minMs: 20, maxMs: 200 } });
});
afterEach(() => world.end());
afterAll(async () => {
  db?.close();
  await node?.remove();
});

test("a state is read as it is, as it was, and as nothing where there is none", async () => {
  const counter = db.object("Counter", "read");
  expect(await counter.get()).toBeNull();
  for (let n = 0; n < 3; n += 1) await counter.call.increment({ amount: 2 });
  const now = (await counter.get())!;
  expect(now).toMatchObject({ id: "read", seq: 3, state: { count: 6 } });
  expect(Date.parse(now.createdAt)).toBeLessThanOrEqual(Date.parse(now.updatedAt));
  expect(await counter.get({ at: 2 })).toMatchObject({ seq: 2, state: { count: 4 } });
  expect(await db.get("Counter", "read", { at: 1 })).toMatchObject({ seq: 1, state: { count: 2 } });
  await expect(counter.get({ at: 9 })).rejects.toMatchObject({ code: "not_found" });
  await expect(db.get("Countre", "read")).rejects.toMatchObject({ code: "unknown_kind" });
  const stop = new AbortController();
  stop.abort();
  await expect(counter.get({ signal: stop.signal })).rejects.toMatchObject({ code: "deadline", maybeApplied: false });
});

test("an object is deleted, and whoever deletes it hears whether it was there", async () => {
  const counter = db.object("Counter", "gone");
  await counter.call.increment();
  expect([await counter.delete(), await counter.delete(), await db.delete("Counter", "gone")]).toEqual([true, false, false]);
  expect(await counter.get()).toBeNull();
  expect(await counter.call.increment()).toBe(1);
});

test("objects are listed by filter, in an order, page by page", async () => {
  for (let n = 1; n <= 5; n += 1) await db.object("Counter", `list-${n}`).call.increment({ amount: n });
  const search = { prefix: "list-", where: "count > 1", order: "-count", limit: 3 };
  const first = await db.find("Counter", search);
  expect(first.objects.map(({ id, seq, state }) => [id, seq, state.count])).toEqual([["list-5", 1, 5], ["list-4", 1, 4], ["list-3", 1, 3]]);
  expect(first.cursor).toBeTypeOf("string");
  const second = await db.list("Counter", { ...search, cursor: first.cursor! });
  expect(second).toMatchObject({ objects: [{ id: "list-2", state: { count: 2 } }], cursor: null });
  expect(Object.keys(second.objects[0]!).toSorted()).toEqual(["createdAt", "id", "seq", "state", "updatedAt"]);
  expect((await db.find("Counter", { prefix: "none-" })).objects).toEqual([]);
  await expect(db.find("Counter", { where: "count >" })).rejects.toMatchObject({ code: "bad_request" });
  await expect(db.find("Counter", { limit: 0 })).rejects.toMatchObject({ code: "bad_request" });
});

test("what is read is asked for again after a lost connection, what is deleted is not", async () => {
  const seen: Frame[] = [];
  const other = await world.client((frame, say, socket) => {
    if (frame.type === "bye") return;
    seen.push(frame);
    const times = seen.filter(({ type }) => type === frame.type).length;
    if (times === 1) return socket.terminate();
    if (times === 2) return say({ type: "error", n: frame.n!, code: "unavailable", detail: "busy", retryable: true });
    const object = { id: "a", seq: 3, created_at: "then", updated_at: "now" };
    say({ type: "result", n: frame.n!, result: frame.type === "get" ? null : { objects: [object], cursor: null }, seq: 0 });
  });
  expect(await other.get("Counter", "a")).toBeNull();
  expect(await other.list("Counter")).toEqual({ objects: [{ id: "a", seq: 3, state: null, createdAt: "then", updatedAt: "now" }], cursor: null });
  await expect(other.find("Counter")).rejects.toMatchObject({ code: "denied", retryable: false });
  await expect(other.delete("Counter", "a")).rejects.toMatchObject({ code: "unavailable", maybeApplied: true });
  await expect(other.delete("Counter", "a")).rejects.toMatchObject({ code: "unavailable", maybeApplied: false });
  expect(seen.map(({ type }) => type)).toEqual(["get", "get", "get", "list", "list", "list", "list", "delete", "delete"]);
});

test("what is only read has no effect that could be in doubt", async () => {
  const silent = await world.client(() => undefined);
  await expect(silent.get("Counter", "a", { timeoutMs: 50 })).rejects.toMatchObject({ code: "deadline", maybeApplied: false });
  await expect(silent.delete("Counter", "a", { timeoutMs: 50 })).rejects.toMatchObject({ code: "deadline", maybeApplied: true });
  const reading = silent.list("Counter");
  silent.close();
  await expect(reading).rejects.toMatchObject({ code: "unavailable", maybeApplied: false });
});
