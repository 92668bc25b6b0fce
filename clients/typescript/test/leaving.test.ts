/** What a client does when a server is about to stop. */
import { afterEach, expect, test, vi } from "vitest";

import { Pretended } from "./pretend.ts";

const world = new Pretended();

afterEach(() => world.end());

const until = (what: () => unknown) => vi.waitFor(() => expect(what()).toBeTruthy(), { timeout: 20_000, interval: 10 });

/** A server that says goodbye at the first call, and answers that one `afterMs` later; the calls of other connections at once. */
function stopping(afterMs: number): { url: string; connections(): number } {
  let connections = 0;
  const url = world.serve((frame, say, socket) => {
    if (frame.type !== "call") return;
    const answer = () => socket.readyState === 1 && say({ type: "result", n: frame.n!, result: connections, seq: 1 });
    if (connections > 1) return void answer();
    say({ type: "goaway", reconnect_in_ms: 10 });
    say({ type: "push", p: 1, data: "goaway was said" });
    setTimeout(answer, afterMs);
  }, () => ({ count: (connections += 1) }));
  return { url, connections: () => connections };
}

test("a call without a key is waited for where nothing else waits, however long it takes", async () => {
  const server = stopping(6000);
  const db = await world.connect(server.url);
  expect(await db.call("Counter", "a", "increment", {}, { key: false })).toBe(1);
  await until(() => server.connections() === 2);
}, 30_000);

test("others wait for a call that is under way for some seconds, and no longer", async () => {
  const server = stopping(25_000);
  const db = await world.connect(server.url);
  let heard = 0;
  db.onPush(() => (heard = performance.now()));
  const slow = db.call("Counter", "a", "increment", {}, { key: false }).catch((error: unknown) => error);
  await until(() => heard);
  expect(await db.call("Counter", "a", "increment")).toBe(2);
  expect(performance.now() - heard).toBeGreaterThan(3000);
  expect(await slow).toMatchObject({ code: "unavailable", maybeApplied: true });
  expect(await db.call("Counter", "a", "increment")).toBe(2);
}, 40_000);

test("who closes a client while it comes back hears last that it is closed", async () => {
  const sockets: { terminate(): void }[] = [];
  const url = world.serve(() => undefined, (count, _, __, socket) => {
    sockets.push(socket);
    return { resume: "again", ...(count > 1 && { resumed: true, missed: 2 }) };
  });
  const db = await world.connect(url);
  const statuses: string[] = [];
  db.onStatus((status) => statuses.push(status));
  db.onMissed(() => db.close());
  sockets[0]!.terminate();
  await until(() => db.status === "closed");
  expect([statuses, sockets.length]).toEqual([["offline", "closed"], 2]);
});
