/** What the node's metrics say, as charts. */
import { useEffect, useState } from "preact/hooks";
import { EVERY_MS, handlers, metricsProblem, points, sample, type Point } from "../data/history";
import { COLOURS, kinds } from "../data/kinds";
import { compact, latency } from "../data/text";
import { Card, Command, Empty, KindMark, Trouble, Waiting } from "../parts/bits";
import { ChartCard, type Series } from "../parts/chart-card";

const SPANS: [string, number][] = [
  ["2 min", 120_000],
  ["10 min", 600_000],
  ["30 min", 1_800_000],
];

const rate = (value: number) => `${compact(value)}/s`;

export function Metrics() {
  const [span, choose] = useState(SPANS[0]![1]);
  const all = points.value;
  if (metricsProblem.value && all.length === 0) {
    return (
      <div class="page">
        <header class="bar">
          <h1>Metrics</h1>
        </header>
        <Trouble problem={metricsProblem.value} retry={() => void sample(Date.now())} />
      </div>
    );
  }
  const now = all.at(-1);
  return (
    <div class="page metrics">
      <header class="bar">
        <h1>Metrics</h1>
        <div class="segments" role="group" aria-label="How far back">
          {SPANS.map(([name, ms]) => (
            <button key={name} type="button" aria-pressed={span === ms} onClick={() => choose(ms)}>
              {name}
            </button>
          ))}
        </div>
      </header>
      {!now ? <Waiting what="the metrics" /> : <Now point={now} />}
      {all.length > 0 && <Charts all={all} span={span} />}
      <Handlers />
    </div>
  );
}

function Now({ point }: { point: Point }) {
  const calls = (point.ok ?? 0) + (point.rejected ?? 0) + (point.failed ?? 0);
  const active = Object.values(point.active).reduce((all, one) => all + one, 0);
  const tiles: [string, string, string][] = [
    ["calls", rate(calls), point.failed ? `${rate(point.failed)} fail` : point.rejected ? `${rate(point.rejected)} rejected` : "none fails"],
    ["latency, p99", point.p99 === null ? "–" : latency(point.p99), point.p50 === null ? "no calls just now" : `half under ${latency(point.p50)}`],
    ["commits", rate(point.commits ?? 0), point.batch === null ? "none just now" : `${point.batch.toFixed(1)} in a batch`],
    ["in memory", compact(active), "objects"],
  ];
  return (
    <dl class="tiles">
      {tiles.map(([name, value, more]) => (
        <div class="tile" key={name}>
          <dt>{name}</dt>
          <dd>
            <span class="tile-value">{value}</span>
            <span class="tile-more">{more}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Charts({ all, span }: { all: Point[]; span: number }) {
  const end = all.at(-1)!.at;
  const shown = all.filter((point) => point.at >= end - span - EVERY_MS);
  const gauge = (name: string) => (point: Point) => point.gauges[name] ?? null;
  const active: Series[] = kinds.value.map((kind, i) => ({ name: kind.kind, hue: i % COLOURS, of: (point) => point.active[kind.kind] ?? null }));
  const common = { points: shown, span, end };
  return (
    <div class="charts">
      <ChartCard {...common} title="Calls" show={rate} series={[
        { name: "ok", hue: 0, of: (point) => point.ok },
        { name: "rejected", hue: 2, of: (point) => point.rejected },
        { name: "failed", hue: 3, of: (point) => point.failed },
      ]} />
      <ChartCard {...common} title="Latency of calls" show={latency} series={[
        { name: "p50", hue: 0, of: (point) => point.p50 },
        { name: "p95", hue: 2, of: (point) => point.p95 },
        { name: "p99", hue: 3, of: (point) => point.p99 },
      ]} />
      <ChartCard {...common} title="Commits" show={rate} series={[{ name: "commits", hue: 1, of: (point) => point.commits }]} />
      <ChartCard {...common} title="Latency of commits" show={latency} series={[
        { name: "p50", hue: 0, of: (point) => point.commit50 },
        { name: "p99", hue: 3, of: (point) => point.commit99 },
      ]} />
      <ChartCard {...common} title="Objects in memory" show={compact} series={active} />
      <ChartCard {...common} title="Waiting" show={compact} series={[
        { name: "calls", hue: 0, of: gauge("abide_mailbox_depth") },
        { name: "messages", hue: 1, of: gauge("abide_outbox_depth") },
        { name: "alarms due", hue: 2, of: gauge("abide_alarms_due") },
      ]} />
      <ChartCard {...common} title="Clients" show={compact} series={[
        { name: "connections", hue: 4, of: gauge("abide_clients_connected") },
        { name: "watchers", hue: 5, of: gauge("abide_subscribers") },
      ]} />
      <ChartCard {...common} title="How late alarms fire" show={latency} series={[{ name: "p99", hue: 3, of: (point) => point.lag99 }]} />
    </div>
  );
}

function Handlers() {
  const rows = handlers.value;
  // Until there were two samples nothing can be said.
  const [early, set] = useState(true);
  useEffect(() => {
    const timer = setTimeout(() => set(false), 2 * EVERY_MS + 500);
    return () => clearTimeout(timer);
  }, []);
  return (
    <Card title="Handlers, last minute">
      {rows.length === 0 ? (
        early ? (
          <Waiting what="the next sample" />
        ) : (
          <Empty title="No calls">
            <p>Put the node under load for some seconds:</p>
            <Command text="abide bench" />
          </Empty>
        )
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Handlers, a table">
          <table class="handlers-table">
            <thead>
              <tr>
                <th scope="col">handler</th>
                <th scope="col">calls a minute</th>
                <th scope="col">p50</th>
                <th scope="col">p99</th>
                <th scope="col">not ok</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={`${row.kind} ${row.handler}`}>
                  <th scope="row">
                    <KindMark kind={row.kind} />
                    {row.kind}.{row.handler}
                  </th>
                  <td>{compact(row.perMinute)}</td>
                  <td>{row.p50 === null ? "–" : latency(row.p50)}</td>
                  <td>{row.p99 === null ? "–" : latency(row.p99)}</td>
                  <td class={row.failed > 0 ? "bad" : "soft"}>{row.failed > 0 ? `${(row.failed * 100).toFixed(row.failed < 0.1 ? 1 : 0)} %` : "0"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}
