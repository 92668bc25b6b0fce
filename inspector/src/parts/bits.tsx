/** Small things that every view uses. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { AWAY, Problem } from "../data/api";
import { ago, clock } from "../data/text";
import { kindColour } from "../data/kinds";
import { Icon } from "./icons";

/** What went wrong, and what to do. */
export function Trouble({ problem, retry }: { problem: Problem; retry?: () => void }) {
  const advice = ADVICE[problem.code];
  return (
    <div class="trouble" role="alert">
      <p>
        <strong>{problem.message}</strong>
      </p>
      {advice && <p>{advice}</p>}
      {problem.maybeApplied && <p>It may have taken effect all the same: look before you try again, or use a key.</p>}
      <p class="trouble-foot">
        <code>{problem.code}</code>
        {retry && problem.code !== AWAY && (
          <button type="button" class="quiet small" onClick={retry}>
            Try again
          </button>
        )}
      </p>
    </div>
  );
}

const ADVICE: Record<string, string> = {
  unauthenticated: "This node wants to know who is asking: press the key at the top and enter a token.",
  denied: "The inspector needs a token with the role admin: press the key at the top to enter another one.",
  overloaded: "Too much is waiting: try again in a moment.",
  unavailable: "The node or its store is not ready: try again in a moment.",
  deadline: "It took too long: give it more time, or ask for less.",
  internal: "The node's log has the cause.",
};

/** Nothing is here, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

export function Waiting({ what }: { what: string }) {
  return (
    <p class="waiting" role="status">
      Reading {what} …
    </p>
  );
}

/** A command that can be copied. */
export function Command({ text }: { text: string }) {
  return (
    <div class="command">
      <pre tabIndex={0} aria-label="A command to try">
        <code>{text}</code>
      </pre>
      <Copy text={text} label="Copy the command" />
    </div>
  );
}

export function Copy({ text, label }: { text: string; label: string }) {
  const [done, set] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      set(true);
      setTimeout(() => set(false), 1500);
    } catch {
      set(false);
    }
  };
  return (
    <button type="button" class="bare" onClick={copy} aria-label={done ? "Copied" : label} title={done ? "Copied" : label}>
      <Icon name={done ? "check" : "copy"} size={16} />
    </button>
  );
}

/** The kind of an object, in its colour. */
export function KindMark({ kind }: { kind: string }) {
  return <span class={`kind-mark hue-${kindColour(kind)}`} aria-hidden="true" />;
}

export function When({ at, now }: { at: string; now: number }) {
  return (
    <time dateTime={at} title={clock(at, now)}>
      {ago(at, now)}
    </time>
  );
}

export function Card({ title, aside, children, id }: { title: string; aside?: ComponentChildren; children: ComponentChildren; id?: string }) {
  const label = `card-${id ?? title.toLowerCase().replace(/\W+/g, "-")}`;
  return (
    <section class="card" aria-labelledby={label}>
      <header class="card-head">
        <h2 id={label}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
