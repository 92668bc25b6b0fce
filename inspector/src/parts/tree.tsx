/** A JSON value as a tree that can be read and folded. */
import { useState } from "preact/hooks";
import { brief, isObject, type Json } from "../data/json";

/** More items of one list or object are shown on demand. */
const AT_ONCE = 100;

const TEXT_MAX = 400;

/** Deeper values begin folded. */
const OPEN_DEPTH = 2;

export function Tree({ value, changed, label }: { value: Json; changed?: Set<string>; label: string }) {
  if (!isObject(value) && !Array.isArray(value)) {
    return (
      <div class="tree" aria-label={label}>
        <Leaf value={value} />
      </div>
    );
  }
  return (
    <div class="tree" role="group" aria-label={label}>
      <Members value={value} depth={0} {...(changed ? { changed } : {})} />
    </div>
  );
}

function Members({ value, depth, changed }: { value: Json[] | { [name: string]: Json }; depth: number; changed?: Set<string> }) {
  const [shown, show] = useState(AT_ONCE);
  const entries = Array.isArray(value) ? value.map((item, i) => [String(i), item] as const) : Object.entries(value);
  if (entries.length === 0) return <span class="tree-none">{Array.isArray(value) ? "an empty list" : "no fields"}</span>;
  return (
    <ul>
      {entries.slice(0, shown).map(([name, item]) => (
        <Member key={name} name={name} value={item} depth={depth} changed={changed?.has(name) ?? false} />
      ))}
      {entries.length > shown && (
        <li>
          <button type="button" class="quiet small" onClick={() => show(shown + 10 * AT_ONCE)}>
            {entries.length - shown} more
          </button>
        </li>
      )}
    </ul>
  );
}

function Member({ name, value, depth, changed }: { name: string; value: Json; depth: number; changed: boolean }) {
  const nested = isObject(value) || Array.isArray(value);
  const size = nested ? Object.keys(value as object).length : 0;
  const [open, set] = useState(depth < OPEN_DEPTH && size <= 20);
  const mark = changed ? "tree-member changed" : "tree-member";
  if (!nested || size === 0) {
    return (
      <li class={mark}>
        <span class="tree-name">{name}</span>
        <Leaf value={value} />
      </li>
    );
  }
  return (
    <li class={mark}>
      <details open={open} onToggle={(event) => set((event.currentTarget as HTMLDetailsElement).open)}>
        <summary>
          <span class="tree-name">{name}</span>
          <span class="tree-size">{Array.isArray(value) ? `[${size}]` : `{${size}}`}</span>
          {!open && <span class="tree-brief">{brief(value, 60)}</span>}
        </summary>
        {open && <Members value={value as Json[]} depth={depth + 1} />}
      </details>
    </li>
  );
}

function Leaf({ value }: { value: Json }) {
  const [whole, show] = useState(false);
  if (value === null) return <span class="tree-null">null</span>;
  if (typeof value === "string") {
    const cut = !whole && value.length > TEXT_MAX;
    return (
      <span class="tree-text">
        {cut ? `${value.slice(0, TEXT_MAX)}…` : value === "" ? "“”" : value}
        {cut && (
          <button type="button" class="quiet small" onClick={() => show(true)}>
            all {value.length} characters
          </button>
        )}
      </span>
    );
  }
  if (typeof value === "boolean") return <span class="tree-bool">{String(value)}</span>;
  if (typeof value === "number" || typeof value === "bigint") return <span class="tree-number">{String(value)}</span>;
  return <span class="tree-none">{Array.isArray(value) ? "[ ]" : "{ }"}</span>;
}
