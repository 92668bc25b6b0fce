/** Who a client is taken for, on a node that asks. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { WebSocket } from "ws";

import { ABIDE, Node, run } from "../../../tests/harness/node.ts";
import { connect, type Db, type Options } from "../src/index.ts";
import { Pretended } from "./pretend.ts";

let folder: string;
let node: Node;
const keys: Record<string, string> = {};
const open: Db[] = [];
const world = new Pretended();
const sockets: WebSocket[] = [];
let deaf: WebSocket | undefined;
const Kept = class extends WebSocket {
  constructor(url: string) {
    super(url);
    sockets.push(this);
  }

  override emit(event: string, ...args: unknown[]): boolean {
    return (this === deaf && event === "message") || super.emit(event, ...args);
  }
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "abide-callers-"));
  const file = join(folder, "keys.toml");
  for (const subject of ["alice", "bob"]) {
    const made = await run(ABIDE, ["--json", "keys", "new", "--file", file, "--subject", subject, "--role", "user"]);
    keys[subject] = (JSON.parse(made) as { key: string }).key;
  }
  const made = await run(ABIDE, ["--json", "keys", "new", "--file", file, "--subject", "carol", "--role", "user", "--tenant", "other"]);
  keys["carol"] = (JSON.parse(made) as { key: string }).key;
  const config = join(folder, "abide.toml");
  await writeFile(config, `[auth]\nkeys = ${JSON.stringify(file)}\n`);
  node = await Node.start("--config", config);
});
afterEach(() => {
  for (const db of open.splice(0)) db.close();
  sockets.length = 0;
  world.end();
});
afterAll(async () => {
  await node?.remove();
  await rm(folder, { recursive: true, force: true });
});

async function client(options: Options): Promise<Db> {
  const db = await connect(node.url, { backoff: { minMs: 20, maxMs: 200 }, WebSocket: Kept, ...options });
  open.push(db);
  return db;
}

const until = (what: () => unknown) => vi.waitFor(async () => expect(await what()).toBeTruthy(), { timeout: 20_000, interval: 10 });

test("a connection says who it is taken for", async () => {
  const db = await client({ token: keys["alice"]! });
  expect(db.principal).toEqual({ subject: "alice", namespace: "default" });
  const stranger = connect(node.url, { token: "nobody's", WebSocket: Kept });
  await expect(stranger).rejects.toMatchObject({ code: "unauthenticated" });
});

test("a token that has become another caller's makes a new client, and no call takes effect twice", async () => {
  let who = "alice";
  const db = await client({ token: () => keys[who] });
  const first = db.client;
  const counter = db.object("Counter", "shared");
  const states: unknown[] = [];
  counter.subscribe((state) => states.push(state?.count));
  // Nothing is heard any more, so that the answer is lost with the connection.
  deaf = sockets[0];
  const doubtful = counter.call.increment({ amount: 1 }, { key: "k" }).catch((error: unknown) => error);
  const count = async () => ((await node.http("/v1/objects/Counter/shared", undefined, keys["alice"])) as { state?: { count: number } }).state?.count;
  await until(async () => (await count()) === 1);
  const statuses: unknown[] = [];
  db.onStatus((status) => statuses.push([status, db.principal?.subject, db.client === first]));
  who = "bob";
  sockets[0]!.terminate();
  expect(await doubtful).toMatchObject({ code: "unavailable", maybeApplied: true });
  expect(await counter.call.increment({ amount: 10 })).toBe(11);
  expect(await count()).toBe(11);
  await until(() => counter.value?.count === 11);
  expect(db.principal).toEqual({ subject: "bob", namespace: "default" });
  expect(statuses).toEqual([["offline", "alice", true], ["online", "bob", false]]);
});

test("a call that was not sent yet is made by whoever is there then", async () => {
  let who = "alice";
  const db = await client({ token: () => keys[who], backoff: { minMs: 300, maxMs: 300 } });
  const counter = db.object("Counter", "waiting");
  sockets[0]!.terminate();
  await until(() => db.status === "offline");
  who = "bob";
  const call = counter.call.increment({ amount: 5 });
  expect(await call).toBe(5);
  const { changes } = (await node.http("/v1/objects/Counter/waiting/changes?after=0", undefined, keys["bob"])) as { changes: { cause: unknown }[] };
  expect(changes.map(({ cause }) => cause)).toMatchObject([{ principal: "bob" }]);
});

test("in another tenant nothing goes on from the objects of the same names", async () => {
  let who = "alice";
  const db = await client({ token: () => keys[who] });
  const other = await client({ token: keys["carol"]! });
  const [even, behind, idle] = ["even", "behind", "idle"].map((id) => db.object("Counter", `${id}-${db.client}`));
  for (const [counter, times] of [[even, 1], [behind, 3], [idle, 1]] as const) {
    await counter!.call.increment();
    for (let n = 0; n < times; n += 1) await other.object("Counter", counter!.id).call.increment({ amount: 10 });
  }
  const states: unknown[] = [];
  behind!.subscribe((state) => states.push(state?.count));
  even!.subscribe(() => undefined);
  const updates = even!.changes({ after: 0 });
  expect((await updates.next()).value).toMatchObject({ type: "change", seq: 1, patch: { count: 1 } });
  expect(await idle!.load()).toMatchObject({ count: 1 });
  await until(() => behind!.value?.count === 1 && even!.value?.count === 1);
  await until(() => (db as unknown as { shared(kind: string, id: string): unknown }).shared("Counter", idle!.id) === undefined);
  expect(idle!.value).toMatchObject({ count: 1 });
  const shown: unknown[] = [];
  other.object("Counter", even!.id).presence.subscribe((others) => shown.push(...others.map(({ data }) => data)));
  even!.presence.set({ name: "Alice" });
  who = "carol";
  sockets[0]!.terminate();
  await until(() => behind!.value?.count === 30 && even!.value?.count === 10);
  expect(states).toEqual([1, undefined, 30]);
  expect((await updates.next()).value).toMatchObject({ type: "reset", seq: 1, state: { count: 10 } });
  await updates.return();
  expect([idle!.value, even!.seq, behind!.status]).toEqual([undefined, 1, "live"]);
  even!.presence.set({ name: "Carol" });
  await until(() => shown.length);
  expect(shown[0]).toEqual({ name: "Carol" });
  expect(await even!.call.increment()).toBe(11);
  await until(() => even!.value?.count === 11);
});

test("who may not see what the caller before has seen is not shown it", async () => {
  const asked: unknown[] = [];
  const open: { terminate(): void }[] = [];
  const callers = [["ann", "a"], ["ben", "a"], ["cyd", "b"]] as const;
  const url = world.serve((frame, say) => {
    if (frame.type !== "watch") return;
    asked.push([open.length, frame["id"], frame["after"]]);
    if (open.length === 1) say({ type: "snapshot", n: frame.n!, seq: 5, state: { count: 5 } });
    else say({ type: "error", n: frame.n!, code: "denied", detail: "no", retryable: false });
  }, (count, _, __, socket) => {
    const [subject, namespace] = callers[count - 1]!;
    open.push(socket);
    return { principal: { subject, namespace } };
  });
  const db = await world.connect(url);
  const counter = db.object("Counter", "a");
  counter.subscribe(() => undefined);
  await until(() => counter.value?.count === 5);
  const reader = db.object("Counter", "b").changes({ after: 4 });
  expect((await reader.next()).value).toMatchObject({ type: "reset", seq: 5 });
  open[0]!.terminate();
  await until(() => counter.error);
  expect([counter.value, counter.seq, counter.status, counter.error?.code]).toEqual([undefined, undefined, "failed", "denied"]);
  await expect(reader.next()).rejects.toMatchObject({ code: "denied" });
  open[1]!.terminate();
  await expect(db.object("Counter", "c").changes({ after: 9 }).next()).rejects.toMatchObject({ code: "denied" });
  // A position is kept from one caller to the next in the same tenant alone.
  expect(asked).toEqual([[1, "a", undefined], [1, "b", 4], [2, "a", 5], [2, "b", 5], [3, "c", undefined]]);
});

test("who saw a state before its right was taken back has it still", async () => {
  const db = await world.client((frame, say) => {
    if (frame.type === "watch") say({ type: "snapshot", n: frame.n!, seq: 5, state: { count: 5 } });
    else if (frame.type === "send") say({ type: "error", n: 1, code: "denied", detail: "no", retryable: false });
  });
  const counter = db.object("Counter", "a");
  counter.subscribe(() => undefined);
  await until(() => counter.value?.count === 5);
  counter.send({});
  await until(() => counter.error);
  expect([counter.value, counter.status]).toEqual([{ count: 5 }, "failed"]);
});
