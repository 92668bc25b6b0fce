/** One change on a line or two: when, what, why. */
import { brief } from "../data/json";
import { clock, plural } from "../data/text";
import type { Change } from "../data/types";

/** What changed, briefly. */
export function summary(change: Change): string {
  if (change.deleted) return "deleted";
  const parts = [];
  if (change.patch && Object.keys(change.patch).length > 0) parts.push(brief(change.patch, 160));
  if (change.removed?.length) parts.push(`removed ${change.removed.join(", ")}`);
  if (change.events?.length) parts.push(plural(change.events.length, "event") + `: ${change.events.slice(0, 3).map((event) => event.type).join(", ")}`);
  return parts.join(" · ") || "nothing but effects";
}

export function ChangeLine({ change, href, current }: { change: Change; href: string; current: boolean }) {
  return (
    <a class="change" href={href} aria-current={current ? "true" : undefined}>
      <span class="change-seq">{change.seq}</span>
      <span class="change-cause">
        <strong>{change.cause.handler}</strong>
        {change.cause.principal && <span class="soft"> by {change.cause.principal}</span>}
        {change.cause.key && <span class="soft"> key {change.cause.key}</span>}
      </span>
      <time dateTime={change.at}>{clock(change.at)}</time>
      <span class={change.deleted ? "change-what bad" : "change-what"}>{summary(change)}</span>
    </a>
  );
}
