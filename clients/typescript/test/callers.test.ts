/** Who a client is taken for, on a node that asks. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { WebSocket } from "ws";

import { ABIDE, Node, run } from "../../../tests/harness/node.ts";
import { connect, type Db, type Options } from "../src/index.ts";

let folder: string;
let node: Node;
const keys: Record<string, string> = {};
const open: Db[] = [];
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
  const config = join(folder, "abide.toml");
  await writeFile(config, `[auth]\nkeys = ${JSON.stringify(file)}\n`);
  node = await Node.start("--config", config);
});
afterEach(() => {
  for (const db of open.splice(0)) db.close();
  sockets.length = 0;
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
