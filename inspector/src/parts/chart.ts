/** Charts, drawn by uPlot. */
import uPlot from "uplot";
import { colour } from "../data/theme";
import type { ChartProps } from "./chart-card";

const HEIGHT = 150;

export type Chart = { show(props: ChartProps): void; remove(): void };

/** Draws an empty chart into a box; `pointed` hears which point is under the mouse. */
export function draw(box: HTMLElement, props: ChartProps, pointed: (at: number | null) => void): Chart {
  const [soft, line] = [colour("--soft"), colour("--line")];
  const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const plot = new uPlot(
    {
      width: box.clientWidth || 300,
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: "abide" }, drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: { time: true },
        // A flat line at nothing still has a height.
        y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(high ?? 0, props.show(1).endsWith("s") && !props.show(1).endsWith("/s") ? 0.001 : 1) * 1.1] },
      },
      axes: [
        { ...axis, size: 26, space: 70, values: (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toTimeString().slice(0, 8)) },
        { ...axis, size: 58, space: 34, values: (_, ticks) => ticks.map((tick) => (tick === 0 ? "0" : props.show(tick))) },
      ],
      series: [
        {},
        ...props.series.map(({ name, hue }) => ({
          label: name,
          stroke: colour(`--hue-${hue}`),
          width: 1.75,
          points: { show: false },
          ...(props.series.length === 1 ? { fill: faint(colour(`--hue-${hue}`)) } : {}),
        })),
      ],
      hooks: { setCursor: [(u) => pointed(u.cursor.idx ?? null)] },
    },
    [[], ...props.series.map(() => [])],
    box,
  );
  const sized = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: HEIGHT }));
  sized.observe(box);
  return {
    show({ points, series, span, end }) {
      plot.batch(() => {
        plot.setData([points.map(({ at }) => at / 1000), ...series.map(({ of }) => points.map((point) => of(point)))], true);
        plot.setScale("x", { min: (end - span) / 1000, max: end / 1000 });
      });
    },
    remove() {
      sized.disconnect();
      plot.destroy();
    },
  };
}

function faint(colour: string): string {
  return colour.replace(/^rgb\((.*)\)$/, "rgba($1, 0.12)");
}
