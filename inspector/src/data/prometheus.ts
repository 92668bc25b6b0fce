/** The text format of Prometheus, as far as a node writes it. */

export type Sample = { labels: Record<string, string>; value: number };

export type Samples = Map<string, Sample[]>;

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

export function parseMetrics(text: string): Samples {
  const found: Samples = new Map();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name, inside, number] = LINE.exec(line) ?? [];
    if (!name || number === undefined) continue;
    const labels: Record<string, string> = {};
    for (const [, label, value] of (inside ?? "").matchAll(LABEL)) {
      labels[label!] = value!.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
    }
    const samples = found.get(name);
    const sample = { labels, value: Number(number.replace("Inf", "Infinity")) };
    if (samples) samples.push(sample);
    else found.set(name, [sample]);
  }
  return found;
}

/** How often a value was at most each bound: cumulative, as in the text. */
export type Buckets = { bounds: number[]; counts: number[]; sum: number; count: number };

export function emptyBuckets(): Buckets {
  return { bounds: [], counts: [], sum: 0, count: 0 };
}

/** Histograms of a name, added up by what `group` says of their labels. */
export function histograms(samples: Samples, name: string, group: (labels: Record<string, string>) => string): Map<string, Buckets> {
  const found = new Map<string, Buckets>();
  const of = (labels: Record<string, string>) => {
    const key = group(labels);
    let buckets = found.get(key);
    if (!buckets) found.set(key, (buckets = emptyBuckets()));
    return buckets;
  };
  for (const { labels, value } of samples.get(`${name}_bucket`) ?? []) {
    const buckets = of(labels);
    const bound = Number((labels["le"] ?? "").replace("+Inf", "Infinity"));
    const at = buckets.bounds.indexOf(bound);
    if (at < 0) {
      buckets.bounds.push(bound);
      buckets.counts.push(value);
    } else {
      buckets.counts[at]! += value;
    }
  }
  for (const { labels, value } of samples.get(`${name}_sum`) ?? []) of(labels).sum += value;
  for (const { labels, value } of samples.get(`${name}_count`) ?? []) of(labels).count += value;
  return found;
}

export function minus(now: Buckets, before: Buckets | undefined): Buckets {
  if (!before || before.bounds.length !== now.bounds.length) return now;
  return {
    bounds: now.bounds,
    counts: now.counts.map((value, i) => value - before.counts[i]!),
    sum: now.sum - before.sum,
    count: now.count - before.count,
  };
}

/** The value below which a share of what was counted lies, read from between the bounds; `null` if nothing was. */
export function percentile({ bounds, counts }: Buckets, share: number): number | null {
  const all = counts.at(-1) ?? 0;
  if (all <= 0) return null;
  const wanted = share * all;
  const at = counts.findIndex((value) => value >= wanted);
  const [low, high] = [at > 0 ? bounds[at - 1]! : 0, bounds[at]!];
  if (!Number.isFinite(high)) return low;
  const [before, upTo] = [at > 0 ? counts[at - 1]! : 0, counts[at]!];
  return upTo === before ? high : low + ((high - low) * (wanted - before)) / (upTo - before);
}

export function sum(samples: Samples, name: string, where: (labels: Record<string, string>) => boolean = () => true): number {
  return (samples.get(name) ?? []).filter(({ labels }) => where(labels)).reduce((all, { value }) => all + value, 0);
}
