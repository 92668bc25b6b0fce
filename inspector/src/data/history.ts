/** What the metrics were, sample by sample: a bounded ring, filled for as long as the page is open. */
import { signal } from "@preact/signals";
import { getText, Problem } from "./api";
import { refused } from "./link";
import { histograms, minus, parseMetrics, percentile, sum, type Buckets, type Samples } from "./prometheus";

export const EVERY_MS = 2000;

/** Half an hour. */
export const KEPT = 900;

/** Percentiles and rates are over this many samples: ten seconds. */
const WINDOW = 5;

/** Handlers are compared with themselves a minute ago. */
const HANDLER_WINDOW = 30;

type Raw = {
  at: number;
  calls: { ok: number; rejected: number; failed: number };
  call: Buckets;
  commit: Buckets;
  batch: Buckets;
  lag: Buckets;
  gauges: Record<string, number>;
  active: Record<string, number>;
};

/** A handler's counters. */
type HandlerRaw = { ok: number; rejected: number; failed: number; buckets: Buckets };

/** One moment on the charts. `null` where nothing can be said. */
export type Point = {
  at: number;
  ok: number | null;
  rejected: number | null;
  failed: number | null;
  p50: number | null;
  p95: number | null;
  p99: number | null;
  commits: number | null;
  batch: number | null;
  commit50: number | null;
  commit99: number | null;
  lag99: number | null;
  gauges: Record<string, number>;
  active: Record<string, number>;
};

export type HandlerRow = { kind: string; handler: string; perMinute: number; failed: number; p50: number | null; p99: number | null };

export const points = signal<Point[]>([]);
export const handlers = signal<HandlerRow[]>([]);
export const metricsProblem = signal<Problem | null>(null);

const raws: Raw[] = [];
const handlerRaws: { at: number; of: Map<string, HandlerRaw> }[] = [];

const GAUGES = ["abide_mailbox_depth", "abide_outbox_depth", "abide_alarms_due", "abide_subscribers", "abide_clients_connected"];

/** Asks once and keeps what was answered. */
export async function sample(now: number): Promise<void> {
  try {
    const samples = parseMetrics(await getText("/metrics"));
    metricsProblem.value = null;
    keep(samples, now);
  } catch (error) {
    if (error instanceof Problem) metricsProblem.value = error;
  }
}

export function keep(samples: Samples, now: number): void {
  const raw = digest(samples, now);
  const last = raws.at(-1);
  const total = (one: Raw) => one.calls.ok + one.calls.rejected + one.calls.failed;
  if (last && total(raw) < total(last)) {
    // The node was started again: what it counts began anew.
    raws.length = 0;
    handlerRaws.length = 0;
  }
  raws.push(raw);
  if (raws.length > WINDOW + 1) raws.shift();
  points.value = [...points.value.slice(-(KEPT - 1)), point(raw)];
  keepHandlers(samples, now);
}

function digest(samples: Samples, at: number): Raw {
  const one = (name: string) => histograms(samples, name, () => "").get("") ?? { bounds: [], counts: [], sum: 0, count: 0 };
  const calls = (outcome: string) => sum(samples, "abide_calls_total", (labels) => labels["outcome"] === outcome);
  return {
    at,
    calls: { ok: calls("ok"), rejected: calls("rejected"), failed: calls("failed") },
    call: one("abide_call_seconds"),
    commit: one("abide_commit_seconds"),
    batch: one("abide_commit_batch_size"),
    lag: one("abide_alarm_lag_seconds"),
    gauges: Object.fromEntries(GAUGES.map((name) => [name, sum(samples, name)])),
    active: Object.fromEntries((samples.get("abide_objects_active") ?? []).map(({ labels, value }) => [labels["kind"] ?? "", value])),
  };
}

function point(raw: Raw): Point {
  const last = raws.at(-2);
  const first = raws[0]!;
  const rate = (value: (one: Raw) => number) => {
    if (!last || raw.at <= last.at) return null;
    return ((value(raw) - value(last)) * 1000) / (raw.at - last.at);
  };
  const share = (of: (one: Raw) => Buckets, wanted: number) => (raws.length > 1 ? percentile(minus(of(raw), of(first)), wanted) : null);
  const batch = last ? minus(raw.batch, last.batch) : undefined;
  return {
    at: raw.at,
    ok: rate((one) => one.calls.ok),
    rejected: rate((one) => one.calls.rejected),
    failed: rate((one) => one.calls.failed),
    p50: share((one) => one.call, 0.5),
    p95: share((one) => one.call, 0.95),
    p99: share((one) => one.call, 0.99),
    commits: rate((one) => one.batch.sum),
    batch: batch && batch.count > 0 ? batch.sum / batch.count : null,
    commit50: share((one) => one.commit, 0.5),
    commit99: share((one) => one.commit, 0.99),
    lag99: share((one) => one.lag, 0.99),
    gauges: raw.gauges,
    active: raw.active,
  };
}

function keepHandlers(samples: Samples, at: number): void {
  const name = (labels: Record<string, string>) => `${labels["kind"]}\n${labels["handler"]}`;
  const of = new Map<string, HandlerRaw>();
  for (const [key, buckets] of histograms(samples, "abide_call_seconds", name)) {
    of.set(key, { ok: 0, rejected: 0, failed: 0, buckets });
  }
  for (const { labels, value } of samples.get("abide_calls_total") ?? []) {
    const key = name(labels);
    const raw = of.get(key) ?? { ok: 0, rejected: 0, failed: 0, buckets: { bounds: [], counts: [], sum: 0, count: 0 } };
    const outcome = labels["outcome"];
    if (outcome === "ok" || outcome === "rejected" || outcome === "failed") raw[outcome] += value;
    of.set(key, raw);
  }
  handlerRaws.push({ at, of });
  if (handlerRaws.length > HANDLER_WINDOW + 1) handlerRaws.shift();
  const first = handlerRaws[0]!;
  const minutes = Math.max(at - first.at, 1) / 60_000;
  const rows: HandlerRow[] = [];
  for (const [key, raw] of of) {
    const before = first.of.get(key);
    const [kind = "", handler = ""] = key.split("\n");
    const calls = raw.ok + raw.rejected + raw.failed - (before ? before.ok + before.rejected + before.failed : 0);
    if (calls <= 0 || handlerRaws.length < 2) continue;
    const buckets = minus(raw.buckets, before?.buckets);
    rows.push({
      kind,
      handler,
      perMinute: calls / minutes,
      failed: (raw.rejected + raw.failed - (before ? before.rejected + before.failed : 0)) / calls,
      p50: percentile(buckets, 0.5),
      p99: percentile(buckets, 0.99),
    });
  }
  handlers.value = rows.sort((a, b) => b.perMinute - a.perMinute).slice(0, 50);
}

/** Samples for as long as the page is open and seen. */
export function sampleForEver(): void {
  const again = async () => {
    if (document.visibilityState === "visible" && !refused.value) await sample(Date.now());
    setTimeout(again, EVERY_MS);
  };
  void again();
}
