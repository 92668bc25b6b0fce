/** A long list of rows of one height, of which only those in sight are in the page. */
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** Rows above and below those in sight. */
const BEYOND = 6;

export type RowsProps<T> = {
  items: T[];
  height: number;
  label: string;
  keyOf(item: T): string | number;
  row(item: T, index: number): ComponentChildren;
  /** The end is near: bring more. */
  onEnd?(): void;
  foot?: ComponentChildren;
};

export function Rows<T>({ items, height, label, keyOf, row, onEnd, foot }: RowsProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [view, see] = useState({ top: 0, height: 600 });
  const measure = () => {
    const { scrollTop = 0, clientHeight = 600 } = box.current ?? {};
    see((old) => (old.top === scrollTop && old.height === clientHeight ? old : { top: scrollTop, height: clientHeight }));
  };
  useLayoutEffect(() => {
    measure();
    const observer = new ResizeObserver(measure);
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  const first = Math.max(0, Math.floor(view.top / height) - BEYOND);
  const last = Math.min(items.length, Math.ceil((view.top + view.height) / height) + BEYOND);
  useEffect(() => {
    if (onEnd && last >= items.length - BEYOND) onEnd();
  }, [last, items.length, onEnd]);
  return (
    <div class="rows" ref={box} onScroll={measure} onKeyDown={(event) => walk(event, box.current)}>
      <ul aria-label={label} style={{ height: `${items.length * height}px` }}>
        {items.slice(first, last).map((item, i) => (
          <li key={keyOf(item)} style={{ top: `${(first + i) * height}px`, height: `${height}px` }}>
            {row(item, first + i)}
          </li>
        ))}
      </ul>
      {foot}
    </div>
  );
}

/** The arrow keys go from row to row. */
function walk(event: KeyboardEvent, box: HTMLDivElement | null): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step === 0 || !box) return;
  const links = [...box.querySelectorAll<HTMLElement>("li > a")];
  const at = links.indexOf(document.activeElement as HTMLElement);
  const next = links[at + step];
  if (at < 0 || !next) return;
  event.preventDefault();
  next.focus({ preventScroll: false });
}
