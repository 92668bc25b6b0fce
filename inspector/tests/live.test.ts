import { beforeAll, expect, test, vi } from "vitest";

let stream: typeof import("../src/data/stream");
let route: typeof import("../src/data/route");
let history: typeof import("../src/data/history");
let prometheus: typeof import("../src/data/prometheus");

beforeAll(async () => {
  // What these files find in a browser.
  vi.stubGlobal("sessionStorage", { getItem: () => null });
  vi.stubGlobal("location", { hash: "" });
  vi.stubGlobal("addEventListener", () => {});
  stream = await import("../src/data/stream");
  route = await import("../src/data/route");
  history = await import("../src/data/history");
  prometheus = await import("../src/data/prometheus");
});

test("events are read, comments are not", () => {
  expect(stream.read('event: change\nid: 7\ndata: {"a":1}')).toEqual({ event: "change", id: "7", data: '{"a":1}' });
  expect(stream.read("data: one\ndata: two")).toEqual({ event: "message", id: "", data: "one\ntwo" });
  expect(stream.read(":")).toBe(null);
  expect(stream.read("retry: 1000")).toBe(null);
});

test("links lead to what they name, whatever the id", () => {
  for (const id of ["visits", "a/b", "a b?c#d&e=f", "100%", "…ü", "."]) {
    const found = route.parseHash(route.href("Counter", id, { at: 5 }));
    expect([found.view, found.kind, found.id, found.query.get("at")]).toEqual(["objects", "Counter", id, "5"]);
  }
  expect(route.parseHash("#/changes?q=x").view).toBe("changes");
  expect(route.parseHash("#/nonsense").view).toBe("objects");
  expect(route.parseHash("#/objects/%zz/%").id).toBe("%");
});

test("rates are those of the time between two samples, and begin anew with the node", () => {
  const at = (calls: number, when: number) => history.keep(prometheus.parseMetrics(`abide_calls_total{kind="A",handler="h",outcome="ok"} ${calls}\n`), when);
  at(100, 0);
  expect(history.points.value.at(-1)?.ok).toBe(null);
  at(150, 5000);
  expect(history.points.value.at(-1)?.ok).toBe(10);
  expect(history.handlers.value[0]).toMatchObject({ kind: "A", handler: "h", perMinute: 600 });
  at(3, 10_000);
  expect(history.points.value.at(-1)?.ok).toBe(null);
});

test("no more samples are kept than fit half an hour", () => {
  for (let i = 0; i < history.KEPT + 50; i++) history.keep(new Map(), 20_000 + i * 2000);
  expect(history.points.value.length).toBe(history.KEPT);
});
