/** All objects: kinds, search, lists, and the graph of who calls whom; one object, if the link names it. */
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get, Problem, query } from "../data/api";
import { brief } from "../data/json";
import { kinds, kindsProblem, kindsRead, readKinds } from "../data/kinds";
import { epoch } from "../data/link";
import { href, replace, route } from "../data/route";
import { count, plural } from "../data/text";
import type { Kind, Listed, ListPage, StoreInfo } from "../data/types";
import { Empty, KindMark, Trouble, Waiting, When } from "../parts/bits";
import { Icon } from "../parts/icons";
import { Rows } from "../parts/rows";
import { useLoad, useNow, useRested } from "../parts/use";
import { GraphPanel } from "./graph";
import { ObjectPage } from "./object";

/** How many objects are read at a time. */
const PAGE = 400;

/** How many of each kind a search over all kinds shows. */
const SEARCH_PAGE = 20;

const ROW = 58;

const REFRESH_MS = 3000;

export function Objects() {
  const { kind, id, query: asked } = route.value;
  const graph = asked.get("show") === "graph";
  const known = kinds.value.find((one) => one.kind === kind);
  return (
    <div class={`objects ${id ? "has-object" : graph ? "has-graph" : "has-list"}`}>
      <aside class="side" aria-label="Find an object">
        {!id && (
          <div class="segments" role="group" aria-label="What to show">
            <a href={href(kind)} aria-current={!graph ? "true" : undefined}>
              List
            </a>
            <a href={href(kind, undefined, { show: "graph" })} aria-current={graph ? "true" : undefined}>
              Graph
            </a>
          </div>
        )}
        {kind ? <KindList key={kind} kind={kind} known={known} selected={id} /> : <Overview />}
      </aside>
      <section class="main" aria-label={id ? `${kind} ${id}` : "Who calls whom"}>
        {kind && id ? <ObjectPage key={`${kind}\n${id}`} kind={kind} id={id} /> : <GraphPanel kind={kind} />}
      </section>
    </div>
  );
}

/** The kinds, or what a search over all of them found. */
function Overview() {
  const [text, type] = useState("");
  const wanted = useRested(text.trim(), 200);
  const store = useLoad("store", (signal) => get<StoreInfo>("/v1/inspect/store", signal), 3000);
  if (kindsProblem.value && !kindsRead.value) return <Trouble problem={kindsProblem.value} retry={() => void readKinds()} />;
  return (
    <>
      <Search label="Search all kinds by id" value={text} set={type} />
      {wanted ? <Found prefix={wanted} /> : <KindLinks counts={store.data?.objects} />}
      {store.problem && !wanted && <Trouble problem={store.problem} retry={store.reload} />}
    </>
  );
}

function KindLinks({ counts }: { counts: Record<string, number> | undefined }) {
  if (!kindsRead.value) return <Waiting what="the kinds" />;
  if (kinds.value.length === 0) {
    return (
      <Empty title="This node has no kinds">
        <p>A program registers them: <code>Abide::open(…).register::&lt;Counter&gt;()</code>.</p>
      </Empty>
    );
  }
  return (
    <ul class="kinds" aria-label="Kinds">
      {kinds.value.map((kind) => (
        <li key={kind.kind}>
          <a href={href(kind.kind)}>
            <KindMark kind={kind.kind} />
            <span class="kinds-name">{kind.kind}</span>
            <span class="kinds-count">{counts ? count(counts[kind.kind] ?? 0) : ""}</span>
            <span class="kinds-about">{kind.description}</span>
          </a>
        </li>
      ))}
    </ul>
  );
}

/** Objects of all kinds whose id begins with a text. */
function Found({ prefix }: { prefix: string }) {
  const now = useNow();
  const names = kinds.value.map((kind) => kind.kind);
  const found = useLoad(`found ${prefix} ${names}`, async (signal) => {
    const page = (kind: string) =>
      get<ListPage>(`/v1/objects/${encodeURIComponent(kind)}${query({ prefix, limit: SEARCH_PAGE })}`, signal);
    const pages = await Promise.all(names.map(page));
    return pages.flatMap(({ objects }, i) => objects.map((object) => ({ kind: names[i]!, object })));
  });
  if (found.problem) return <Trouble problem={found.problem} retry={found.reload} />;
  if (!found.data) return <Waiting what="objects" />;
  if (found.data.length === 0) {
    return (
      <Empty title={`No id begins with “${prefix}”`}>
        <p>Letter case counts. An object is there as soon as it is called: choose a kind to name one.</p>
      </Empty>
    );
  }
  return (
    <Rows
      items={found.data}
      height={ROW}
      label="Objects found"
      keyOf={({ kind, object }) => `${kind}/${object.id}`}
      row={({ kind, object }) => <ObjectRow kind={kind} object={object} selected={false} now={now} mark />}
    />
  );
}

function Search({ label, value, set }: { label: string; value: string; set(value: string): void }) {
  return (
    <div class="search">
      <Icon name="search" size={17} />
      <input type="search" data-search aria-label={label} placeholder={label} value={value} autocomplete="off" spellcheck={false} onInput={(event) => set(event.currentTarget.value)} />
      <kbd>/</kbd>
    </div>
  );
}

/** The objects of a kind. */
function KindList({ kind, known, selected }: { kind: string; known: Kind | undefined; selected: string | undefined }) {
  const asked = route.value.query;
  const [prefix, setPrefix] = useState(asked.get("q") ?? "");
  const [where, setWhere] = useState(asked.get("where") ?? "");
  const [order, setOrder] = useState(asked.get("order") ?? "");
  const wanted = useRested(`${prefix.trim()}\n${where.trim()}\n${order}`, 250);
  const [restedPrefix = "", restedWhere = "", restedOrder = ""] = wanted.split("\n");
  const now = useNow();
  useEffect(() => {
    if (!route.value.id && !route.value.query.get("show")) {
      replace(href(kind, undefined, { q: restedPrefix, where: restedWhere, order: restedOrder }));
    }
  }, [wanted]);
  const list = useList(kind, restedPrefix, restedWhere, restedOrder);
  const fields = Object.keys((known?.state["properties"] as object) ?? {});
  const open = (event: Event) => {
    event.preventDefault();
    if (prefix.trim()) location.hash = href(kind, prefix.trim());
  };
  return (
    <>
      <a class="up" href={href()}>
        <Icon name="back" size={16} /> All kinds
      </a>
      <h1 class="side-title">
        <KindMark kind={kind} />
        {kind}
      </h1>
      <form class="filters" onSubmit={open}>
        <Search label={`Search ${kind} by id`} value={prefix} set={setPrefix} />
        <div class="filter-row">
          <input aria-label="Only objects whose state matches" placeholder={`where ${fields[0] ?? "count"} > 5`} value={where} autocomplete="off" spellcheck={false} onInput={(event) => setWhere(event.currentTarget.value)} />
          <select aria-label="Order" value={order} onChange={(event) => setOrder(event.currentTarget.value)}>
            <option value="">by id</option>
            {fields.flatMap((field) => [
              <option key={field} value={field}>{`${field} ↑`}</option>,
              <option key={`-${field}`} value={`-${field}`}>{`${field} ↓`}</option>,
            ])}
          </select>
        </div>
      </form>
      {list.problem && <Trouble problem={list.problem} retry={list.reload} />}
      {list.items.length > 0 && (
        <Rows
          items={list.items}
          height={ROW}
          label={`Objects of ${kind}`}
          keyOf={(object) => object.id}
          row={(object) => <ObjectRow kind={kind} object={object} selected={object.id === selected} now={now} />}
          {...(list.more ? { onEnd: list.bring } : {})}
          foot={
            <p class="rows-foot" role="status">
              {list.more ? `${count(list.items.length)} so far; more come as you scroll` : plural(list.items.length, "object")}
            </p>
          }
        />
      )}
      {list.done && list.items.length === 0 && !list.problem && <NoObjects kind={kind} known={known} prefix={restedPrefix} where={restedWhere} />}
    </>
  );
}

function NoObjects({ kind, known, prefix, where }: { kind: string; known: Kind | undefined; prefix: string; where: string }) {
  if (kindsRead.value && !known) {
    return (
      <Empty title={`This node has no kind ${kind}`}>
        <p>
          It has: {kinds.value.map((one) => one.kind).join(", ")}. See <a href={href()}>all kinds</a>.
        </p>
      </Empty>
    );
  }
  const filtered = prefix !== "" || where !== "";
  return (
    <Empty title={filtered ? "Nothing matches" : `No ${kind} yet`}>
      {prefix && (
        <p>
          <a href={href(kind, prefix)}>Open “{prefix}”</a>: an object is there as soon as it is called.
        </p>
      )}
      {!filtered && <p>Type an id above and press Enter: an object is there as soon as it is called.</p>}
      {known?.options.durability === "volatile" && <p>Objects of this kind are in memory only and are not listed.</p>}
    </Empty>
  );
}

type Row = Pick<Listed, "id" | "seq" | "updated_at"> & { about: string };

function ObjectRow({ kind, object, selected, now, mark = false }: { kind: string; object: Row | Listed; selected: boolean; now: number; mark?: boolean }) {
  const about = "about" in object ? object.about : brief(object.state);
  const link = useRef<HTMLAnchorElement>(null);
  return (
    <a ref={link} class="row" href={href(kind, object.id)} aria-current={selected ? "true" : undefined}>
      <span class="row-id">
        {mark && <KindMark kind={kind} />}
        {object.id}
      </span>
      <span class="row-when">
        <When at={object.updated_at} now={now} />
      </span>
      <span class="row-about">{about || "no fields"}</span>
      <span class="row-seq" title="seq">
        {object.seq}
      </span>
    </a>
  );
}

/** Pages of a list, one after the other. Only what a row shows is kept of each object. */
function useList(kind: string, prefix: string, where: string, order: string) {
  const [state, set] = useState<{ items: Row[]; cursor: string | null; done: boolean; problem: Problem | null }>({ items: [], cursor: null, done: false, problem: null });
  const [turn, again] = useState(0);
  const anew = epoch.value;
  const busy = useRef(false);
  const current = useRef(0);
  const bring = useCallback(
    async (cursor: string | null, mine: number) => {
      if (busy.current && cursor) return;
      busy.current = true;
      try {
        const path = `/v1/objects/${encodeURIComponent(kind)}${query({ prefix, where, order, limit: PAGE, cursor: cursor ?? undefined })}`;
        const page = await get<ListPage>(path);
        const rows = page.objects.map(({ id, seq, updated_at, state }) => ({ id, seq, updated_at, about: brief(state) }));
        if (current.current === mine) {
          set((old) => ({ items: cursor ? [...old.items, ...rows] : rows, cursor: page.cursor, done: !page.more, problem: null }));
        }
      } catch (error) {
        if (current.current === mine && error instanceof Problem) set((old) => ({ ...old, items: cursor ? old.items : [], cursor: null, done: true, problem: error }));
      }
      busy.current = false;
    },
    [kind, prefix, where, order],
  );
  useEffect(() => {
    current.current++;
    busy.current = false;
    void bring(null, current.current);
  }, [bring, turn, anew]);
  const { cursor } = state;
  useEffect(() => {
    // A list that fits on one page is kept up to date; a longer one stays still under the reader's eyes.
    const timer = setInterval(() => {
      if (document.visibilityState === "visible" && state.items.length <= PAGE && !busy.current) void bring(null, current.current);
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [bring, state.items.length]);
  const more = useMemo(() => () => void (cursor && bring(cursor, current.current)), [cursor, bring]);
  return { items: state.items, more: cursor !== null, done: state.done, problem: state.problem, bring: more, reload: () => again((n) => n + 1) };
}
