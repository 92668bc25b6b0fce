/** The changes of all objects, as they happen. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { kinds } from "../data/kinds";
import { forget, hear, heard, heardCount, KEPT, listening, liveProblem, missed, type Heard } from "../data/live";
import { href, replace, route } from "../data/route";
import { clock, count, plural } from "../data/text";
import { Command, Empty, KindMark, Trouble } from "../parts/bits";
import { summary } from "../parts/change";
import { Icon } from "../parts/icons";
import { Rows } from "../parts/rows";
import { isTyping } from "./object";

/** On a phone a change takes two lines. */
const narrow = matchMedia("(max-width: 46rem)");
const ROW = 42;
const ROW_NARROW = 56;

export function Changes() {
  const asked = route.value.query;
  const [text, type] = useState(asked.get("q") ?? "");
  const [kind, choose] = useState(asked.get("kind") ?? "");
  const [stopped, stop] = useState<Heard[] | null>(null);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const source = stopped ?? heard.value;
  const shown = useMemo(() => source.filter((one) => matches(one, kind, words)), [source, kind, text]);
  const newer = stopped ? heardCount.value - (stopped[0]?.n ?? 0) : 0;
  const row = useNarrow() ? ROW_NARROW : ROW;
  const toggle = () => stop(stopped ? null : heard.value);
  useEffect(() => {
    const query = new URLSearchParams([["q", text], ["kind", kind]].filter(([, value]) => value) as [string, string][]);
    replace(`#/changes${query.size ? `?${query}` : ""}`);
  }, [text, kind]);
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (event.key === "p" && !event.ctrlKey && !event.metaKey && !isTyping(event.target)) toggle();
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  });
  return (
    <div class="feed">
      <header class="bar">
        <h1>Changes</h1>
        <div class="bar-tools">
          <div class="search">
            <Icon name="search" size={17} />
            <input type="search" data-search aria-label="Only changes with these words" placeholder="id, handler, field, principal" value={text} autocomplete="off" spellcheck={false} onInput={(event) => type(event.currentTarget.value)} />
            <kbd>/</kbd>
          </div>
          <select aria-label="Only this kind" value={kind} onChange={(event) => choose(event.currentTarget.value)}>
            <option value="">all kinds</option>
            {kinds.value.map((one) => (
              <option key={one.kind} value={one.kind}>
                {one.kind}
              </option>
            ))}
          </select>
          <button type="button" class={stopped ? "" : "quiet"} aria-pressed={stopped !== null} onClick={toggle} title="p">
            <Icon name={stopped ? "play" : "pause"} size={16} />
            {stopped ? `Go on${newer > 0 ? ` (${count(newer)} new)` : ""}` : "Pause"}
          </button>
        </div>
      </header>
      <p class="feed-status" role="status">
        {stopped ? "Paused. " : listening.value ? "Live. " : "Connecting. "}
        {shown.length < source.length ? `${count(shown.length)} of ${plural(source.length, "change")} match. ` : `${plural(source.length, "change")}. `}
        {missed.value > 0 && `${plural(missed.value, "change")} came too fast to be shown. `}
        {source.length >= KEPT && `The last ${count(KEPT)} are kept here. `}
      </p>
      {liveProblem.value && <Trouble problem={liveProblem.value} retry={hear} />}
      {!liveProblem.value && source.length === 0 && <Quiet />}
      {source.length > 0 && shown.length === 0 && (
        <Empty title="Nothing matches">
          <p>All words have to be there: in the id, the handler, the principal or the change itself.</p>
        </Empty>
      )}
      {shown.length > 0 && (
        <Rows
          items={shown}
          height={row}
          label="Changes of all objects, the latest first"
          keyOf={(one) => one.n}
          row={(one) => <Line one={one} />}
          foot={
            <p class="rows-foot">
              <button type="button" class="quiet small" onClick={forget}>
                Clear
              </button>
            </p>
          }
        />
      )}
    </div>
  );
}

function useNarrow(): boolean {
  const [is, set] = useState(narrow.matches);
  useEffect(() => {
    const changed = () => set(narrow.matches);
    narrow.addEventListener("change", changed);
    return () => narrow.removeEventListener("change", changed);
  }, []);
  return is;
}

function matches({ kind, id, change }: Heard, wanted: string, words: string[]): boolean {
  if (wanted && kind !== wanted) return false;
  if (words.length === 0) return true;
  const text = `${kind} ${id} ${change.cause.handler} ${change.cause.principal ?? ""} ${summary(change)}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

function Line({ one: { kind, id, change } }: { one: Heard }) {
  return (
    <a class="heard" href={href(kind, id, { at: change.seq })}>
      <span class="heard-name">
        <KindMark kind={kind} />
        <span class="soft">{kind}</span> <span class="heard-id">{id}</span>
      </span>
      <span class="heard-cause">
        <strong>{change.cause.handler}</strong>
        {change.cause.principal && <span class="soft"> by {change.cause.principal}</span>}
      </span>
      <time dateTime={change.at}>{clock(change.at)}</time>
      <span class={change.deleted ? "heard-what bad" : "heard-what"}>
        <span class="heard-seq">{change.seq}</span> <strong class="heard-handler">{change.cause.handler}</strong> {summary(change)}
      </span>
    </a>
  );
}

function Quiet() {
  return (
    <Empty title="Nothing has changed since you came">
      <p>Every change of every object appears here as it happens. Try one:</p>
      <Command text={`curl ${location.origin}/v1/objects/Counter/visits/increment --json '{"amount": 5}'`} />
      <p>What an object did before is on its own page: find it under <a href="#/objects">Objects</a>.</p>
    </Empty>
  );
}
