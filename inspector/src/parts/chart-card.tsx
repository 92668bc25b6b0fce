/** A chart with its legend. The library that draws it is loaded when the first chart is shown. */
import { useEffect, useRef, useState } from "preact/hooks";
import { theme } from "../data/theme";
import type { Point } from "../data/history";
import type { Chart } from "./chart";

export type Series = { name: string; hue: number; of(point: Point): number | null };

export type ChartProps = {
  title: string;
  points: Point[];
  series: Series[];
  /** How far back the chart goes, and where it ends, in milliseconds. */
  span: number;
  end: number;
  show(value: number): string;
};

export function ChartCard(props: ChartProps) {
  const { title, points, series, show } = props;
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [at, point] = useState<number | null>(null);
  const drawn = `${series.map(({ name }) => name).join()} ${theme.value}`;
  useEffect(() => {
    let gone = false;
    void import("./chart").then(({ draw }) => {
      if (gone || !box.current) return;
      chart.current = draw(box.current, latest.current, point);
      chart.current.show(latest.current);
    });
    return () => {
      gone = true;
      chart.current?.remove();
      chart.current = null;
    };
  }, [drawn]);
  useEffect(() => chart.current?.show(props), [points, props.span, drawn]);
  const shown = at === null ? points.at(-1) : points[at];
  const values = series.map((one) => ({ ...one, value: shown ? one.of(shown) : null }));
  const said = values.map(({ name, value }) => `${name} ${value === null ? "unknown" : show(value)}`).join(", ");
  return (
    <section class="card chart-card" aria-label={title}>
      <header class="card-head">
        <h2>{title}</h2>
      </header>
      <ul class="legend" aria-hidden="true">
        {values.map(({ name, hue, value }) => (
          <li key={name}>
            <span class={`dot hue-${hue}`} />
            {name} <strong>{value === null ? "–" : show(value)}</strong>
          </li>
        ))}
      </ul>
      <div class="chart" ref={box} role="img" aria-label={`${title}: ${said}`} />
    </section>
  );
}
