import { expect, test } from "vitest";
import { brief, parse, write } from "../src/data/json";
import { histograms, minus, parseMetrics, percentile, sum } from "../src/data/prometheus";
import { ago, bytes, compact, duration, latency } from "../src/data/text";
import { collect, resolve, typeOf } from "../src/parts/form";

const TEXT = `# HELP abide_calls_total Calls.
# TYPE abide_calls_total counter
abide_calls_total{kind="A \\"b\\" \\\\ {c}",handler="h",outcome="ok"} 7
abide_calls_total{kind="B",handler="h",outcome="failed"} 2
abide_mailbox_depth 3
abide_call_seconds_bucket{kind="A",le="0.001"} 50
abide_call_seconds_bucket{kind="A",le="0.01"} 90
abide_call_seconds_bucket{kind="A",le="+Inf"} 100
abide_call_seconds_sum{kind="A"} 0.5
abide_call_seconds_count{kind="A"} 100
abide_call_seconds_bucket{kind="B",le="0.001"} 0
abide_call_seconds_bucket{kind="B",le="0.01"} 10
abide_call_seconds_bucket{kind="B",le="+Inf"} 10
`;

test("metrics are read with their labels", () => {
  const samples = parseMetrics(TEXT);
  expect(samples.get("abide_calls_total")?.[0]).toEqual({ labels: { kind: 'A "b" \\ {c}', handler: "h", outcome: "ok" }, value: 7 });
  expect(sum(samples, "abide_calls_total")).toBe(9);
  expect(sum(samples, "abide_mailbox_depth")).toBe(3);
  expect(sum(samples, "nothing")).toBe(0);
});

test("percentiles are read from between the bounds", () => {
  const all = histograms(parseMetrics(TEXT), "abide_call_seconds", () => "").get("")!;
  expect(all.counts).toEqual([50, 100, 110]);
  expect(percentile(all, 50 / 110)).toBeCloseTo(0.001);
  expect(percentile(all, 75 / 110)).toBeCloseTo(0.0055);
  // Beyond the last bound nothing more is known.
  expect(percentile(all, 1)).toBe(0.01);
  expect(percentile(minus(all, all), 0.5)).toBe(null);
});

test("whole numbers stay whole, however large", () => {
  const text = '{"a":12345678901234567890,"b":1.5,"c":[9007199254740993],"d":"12345678901234567890"}';
  const value = parse(text) as { a: bigint };
  if (process.versions.node.startsWith("20.")) return expect(typeof value.a).toMatch(/bigint|number/);
  expect(value.a).toBe(12345678901234567890n);
  expect(write(value)).toBe(text);
});

test("a state is brief on one line", () => {
  expect(brief({ count: 5, name: "a" })).toBe('count: 5, name: "a"');
  expect(brief("x".repeat(500), 10)).toHaveLength(10);
  expect(brief({})).toBe("");
});

test("numbers are said as people read them", () => {
  expect([bytes(0), bytes(1024), bytes(1536), bytes(5 * 2 ** 30)]).toEqual(["0 B", "1 KiB", "1.5 KiB", "5 GiB"]);
  expect([duration(5), duration(61_000), duration(3_600_000), duration(90_000_000)]).toEqual(["5 ms", "1 min 1 s", "1 h", "25 h"]);
  expect([latency(0.00004), latency(0.0025), latency(0.25), latency(3)]).toEqual(["40 µs", "2.5 ms", "250 ms", "3.00 s"]);
  expect([compact(9.96), compact(1234), compact(1_500_000)]).toEqual(["10", "1,234", "1.5M"]);
  const now = Date.parse("2026-01-01T00:01:00Z");
  expect([ago("2026-01-01T00:00:00Z", now), ago("2026-01-01T00:03:00Z", now), ago("2026-01-01T00:01:00Z", now)]).toEqual(["1 min ago", "in 2 min", "now"]);
});

test("references in schemas are followed, and circles end", () => {
  const root = { properties: { "a/b": { type: "integer" }, loop: { $ref: "#/properties/loop" } } };
  expect(resolve({ $ref: "#/properties/a~1b" }, root)).toEqual({ type: "integer" });
  expect(resolve({ $ref: "#/nothing" }, root)).toEqual({});
  expect(resolve({ $ref: "#/properties/loop" }, root)).toEqual({ $ref: "#/properties/loop" });
  expect(typeOf({ type: ["string", "null"] })).toEqual({ type: "string", nullable: true });
});

test("arguments are collected, or the field that lacks is named", () => {
  const schema = { required: ["to"], properties: { to: { type: "string" }, amount: { type: "integer" } } };
  expect(collect(schema, { amount: { value: 5 } })).toEqual({ wrong: "to is needed" });
  expect(collect(schema, { to: { value: "bob" }, amount: { wrong: "a whole number" } })).toEqual({ wrong: "amount: a whole number" });
  expect(collect(schema, { to: { value: "bob" }, amount: {} })).toEqual({ args: { to: "bob" } });
});
