/** One object: its state now and then, what it does, and a form to call it. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get, objectPath, Problem, query, remove } from "../data/api";
import { isObject, type Json } from "../data/json";
import { kinds, kindsRead } from "../data/kinds";
import { epoch } from "../data/link";
import { href, replace, route } from "../data/route";
import { listen } from "../data/stream";
import { bytes, clock, compact, count, plural } from "../data/text";
import type { Activity, Alarm, Change, ChangesPage, Graph, Kind, Name, Snapshot } from "../data/types";
import { Card, Copy, Empty, Fact, KindMark, Trouble, Waiting, When } from "../parts/bits";
import { CallCard } from "../parts/call";
import { ChangeLine } from "../parts/change";
import { Icon } from "../parts/icons";
import { Tree } from "../parts/tree";
import { useLoad, useNow, useRested } from "../parts/use";

/** How many of the latest changes are shown. */
const CHANGES = 100;

/** How many earlier states are remembered while the slider moves. */
const REMEMBERED = 50;

const NOTHING = new Set<string>();

/** Everything about the object now; `null` for the snapshot if it is not there. */
type Now = { snapshot: Snapshot | null; changes: Change[]; head: number; floor: number };

export function ObjectPage({ kind, id }: { kind: string; id: string }) {
  const known = kinds.value.find((one) => one.kind === kind);
  const [now, live, reload] = useObject(kind, id);
  const time = useNow();
  const at = Number(route.value.query.get("at") ?? "") || null;
  const back = (
    <a class="up phone" href={href(kind)}>
      <Icon name="back" size={16} /> {kind}
    </a>
  );
  if (now instanceof Problem) {
    return (
      <div class="page">
        {back}
        <Trouble problem={now} retry={reload} />
      </div>
    );
  }
  if (!now) {
    return (
      <div class="page">
        {back}
        <Waiting what={`${kind} ${id}`} />
      </div>
    );
  }
  return (
    <div class="page">
      {back}
      <Head kind={kind} id={id} now={now} time={time} live={live} />
      <div class="columns">
        <div class="column">
          <StateCard kind={kind} id={id} known={known} now={now} at={at} />
          <Changes now={now} at={at} kind={kind} id={id} />
        </div>
        <div class="column">
          {known ? <CallCard kind={known} id={id} onDone={reload} /> : kindsRead.value && <UnknownKind kind={kind} />}
          <Alarms kind={kind} id={id} time={time} seq={now.head} />
          <Neighbours kind={kind} id={id} />
        </div>
      </div>
    </div>
  );
}

function UnknownKind({ kind }: { kind: string }) {
  return (
    <Card title="Call">
      <Empty title={`This node has no kind ${kind}`} />
    </Card>
  );
}

/** The object as it is, kept up to date by its changes. */
function useObject(kind: string, id: string): [Now | Problem | null, boolean, () => void] {
  const [now, set] = useState<Now | Problem | null>(null);
  const [live, setLive] = useState(false);
  const [turn, again] = useState(0);
  const anew = epoch.value;
  useEffect(() => {
    const path = objectPath(kind, id);
    let gone = false;
    let stop = () => {};
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = async () => {
      const missing = (error: unknown) => {
        if (error instanceof Problem && error.code === "not_found") return null;
        throw error;
      };
      const heads = await get<ChangesPage>(`${path}/changes${query({ limit: 1 })}`);
      const after = Math.max(heads.floor, heads.head - CHANGES);
      const [snapshot, page] = await Promise.all([
        get<Snapshot>(path).catch(missing),
        get<ChangesPage>(`${path}/changes${query({ after, limit: CHANGES })}`),
      ]);
      const head = Math.max(page.head, snapshot?.seq ?? 0);
      return { snapshot, changes: page.changes.reverse(), head, floor: page.floor };
    };
    // One reading at a time, so that an older answer never replaces a newer one.
    let reading = false;
    let head = 0;
    const refresh = async () => {
      timer = undefined;
      if (reading) return later();
      reading = true;
      try {
        const fresh = await read();
        head = fresh.head;
        if (!gone) set(fresh);
      } catch (error) {
        if (!gone && error instanceof Problem) set((old) => (old && !(old instanceof Problem) && error.status === 0 ? old : error));
      } finally {
        reading = false;
      }
    };
    // Many changes at once are read together.
    const later = () => {
      if (!gone) timer ??= setTimeout(refresh, 120);
    };
    const begin = async () => {
      await refresh();
      if (gone) return;
      // From what was read on: what changes while the stream opens is not lost.
      stop = listen((last) => `${path}/changes${query({ after: last || head })}`, {
        onOpen: () => setLive(true),
        onMessage: ({ event }) => {
          if (event === "change" || event === "reset") later();
        },
        onProblem: () => setLive(false),
      });
    };
    void begin();
    return () => {
      gone = true;
      clearTimeout(timer);
      stop();
    };
  }, [kind, id, turn, anew]);
  return [now, live, () => again((n) => n + 1)];
}

function Head({ kind, id, now, time, live }: { kind: string; id: string; now: Now; time: number; live: boolean }) {
  const activity = useLoad(
    `activity ${kind} ${id} ${now.head}`,
    (signal) => get<Activity>(`/v1/inspect/activity${query({ kind, id })}`, signal),
    3000,
  );
  const last = useRef<Activity | undefined>(undefined);
  if (activity.data) last.current = activity.data;
  const { snapshot } = now;
  // This page watches the object, too.
  const watchers = Math.max(0, (last.current?.watchers ?? 0) - (live ? 1 : 0));
  return (
    <header class="object-head">
      <div class="object-name">
        <p class="object-kind">
          <KindMark kind={kind} />
          {kind}
        </p>
        <h1>
          {id} <Copy text={id} label="Copy the id" />
        </h1>
      </div>
      {snapshot && <Delete kind={kind} id={id} />}
      <dl class="facts">
        {snapshot ? (
          <>
            <Fact name="seq">{count(snapshot.seq)}</Fact>
            <Fact name="changed">
              <When at={snapshot.updated_at} now={time} />
            </Fact>
            <Fact name="created">
              <When at={snapshot.created_at} now={time} />
            </Fact>
          </>
        ) : (
          <Fact name="state">not there{now.head > 0 ? " any more" : " yet"}</Fact>
        )}
        {last.current && (
          <>
            <Fact name="memory">{last.current.in_memory ? `${last.current.decoded ? "ready" : "hibernates"}, ${bytes(last.current.bytes)}` : "on the disk only"}</Fact>
            <Fact name="waiting">{plural(last.current.waiting, "call")}</Fact>
            <Fact name="watchers">{watchers === 0 ? "you alone" : `you and ${plural(watchers, "other")}`}</Fact>
          </>
        )}
      </dl>
    </header>
  );
}

function Delete({ kind, id }: { kind: string; id: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, set] = useState<Problem | null>(null);
  const go = async () => {
    try {
      await remove(kind, id);
      dialog.current?.close();
    } catch (error) {
      if (error instanceof Problem) set(error);
    }
  };
  return (
    <>
      <button type="button" class="quiet danger object-delete" onClick={() => dialog.current?.showModal()}>
        <Icon name="trash" size={16} /> Delete
      </button>
      <dialog ref={dialog} aria-labelledby="delete-title">
        <h2 id="delete-title">Delete {kind} {id}?</h2>
        <p>Its state, its alarms and its history are gone for good.</p>
        {problem && <Trouble problem={problem} />}
        <div class="dialog-foot">
          <button type="button" class="quiet" autofocus onClick={() => dialog.current?.close()}>
            Keep it
          </button>
          <button type="button" class="danger" onClick={() => void go()}>
            Delete it
          </button>
        </div>
      </dialog>
    </>
  );
}

/** The state, and the slider through time. */
function StateCard({ kind, id, known, now, at }: { kind: string; id: string; known: Kind | undefined; now: Now; at: number | null }) {
  const [wanted, want] = useState(at);
  useEffect(() => want(at), [at]);
  const rested = useRested(wanted, 60);
  const first = Math.min(now.floor + 1, now.head);
  const earlier = useEarlier(kind, id, rested);
  const go = (seq: number | null) => {
    const to = seq !== null && seq >= now.head ? null : seq;
    want(to);
    replace(href(kind, id, { at: to ?? undefined }));
  };
  useEffect(() => {
    const step = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === "[") go(Math.max(first, (wanted ?? now.head) - 1));
      if (event.key === "]") go((wanted ?? now.head) + 1);
    };
    addEventListener("keydown", step);
    return () => removeEventListener("keydown", step);
  });
  const shown = wanted === null ? now.snapshot : earlier.data;
  const change = now.changes.find((one) => one.seq === (wanted ?? now.head)) ?? earlier.change;
  const changed = useMemo(() => new Set(Object.keys(change?.patch ?? {})), [change]);
  const lasting = now.head > first;
  return (
    <Card
      title="State"
      aside={
        <span class={wanted === null ? "as-of live" : "as-of past"}>{wanted === null ? "now" : `as of seq ${count(wanted)}`}</span>
      }
    >
      {lasting ? (
        <div class="history">
          <button type="button" class="bare" aria-label="One change earlier" disabled={(wanted ?? now.head) <= first} onClick={() => go(Math.max(first, (wanted ?? now.head) - 1))}>
            <Icon name="back" size={18} />
          </button>
          <input
            type="range"
            min={first}
            max={now.head}
            value={wanted ?? now.head}
            aria-label="History: the seq to look at"
            aria-valuetext={wanted === null ? `now, seq ${now.head}` : `seq ${wanted}${change ? `, ${change.cause.handler}` : ""}`}
            onInput={(event) => go(Number(event.currentTarget.value))}
          />
          <button type="button" class="bare flipped" aria-label="One change later" disabled={wanted === null} onClick={() => go((wanted ?? now.head) + 1)}>
            <Icon name="back" size={18} />
          </button>
        </div>
      ) : (
        now.head > 0 && <p class="soft small-text">{known?.options.history === "none" ? "This kind keeps no history." : "One change so far: there is nothing to go back to."}</p>
      )}
      {wanted !== null && (
        <p class="then">
          {change ? (
            <>
              <time dateTime={change.at}>{clock(change.at)}</time> after <code>{change.cause.handler}</code>
              {change.cause.principal && <> by {change.cause.principal}</>}
            </>
          ) : (
            "an earlier state"
          )}
          <button type="button" class="quiet small" onClick={() => go(null)}>
            Back to now
          </button>
        </p>
      )}
      <StateBody wanted={wanted} shown={shown} problem={wanted === null ? null : earlier.problem} changed={wanted === null ? NOTHING : changed} now={now} />
    </Card>
  );
}

function StateBody({ wanted, shown, problem, changed, now }: { wanted: number | null; shown: Snapshot | null | undefined; problem: Problem | null; changed: Set<string>; now: Now }) {
  const last = useRef<Snapshot | null>(null);
  if (shown) last.current = shown;
  if (problem) {
    return (
      <>
        <Trouble problem={problem} />
        <p class="soft">Seqs {count(now.floor + 1)} to {count(now.head)} are kept.</p>
      </>
    );
  }
  if (wanted === null && !shown) {
    return (
      <Empty title={now.head > 0 ? "This object was deleted" : "This object is not there yet"}>
        <p>It is there as soon as a handler that changes it is called: try one in the form.</p>
      </Empty>
    );
  }
  const tree = shown ?? last.current;
  return tree ? <Tree value={tree.state} changed={changed} label="The state" /> : <Waiting what="the state" />;
}

/** A state as it was, and the change that led to it. */
function useEarlier(kind: string, id: string, at: number | null) {
  const seen = useRef(new Map<number, { snapshot: Snapshot; change: Change | undefined }>());
  const found = useLoad(at === null ? null : `${kind}\n${id}\n${at}`, async (signal) => {
    const before = seen.current.get(at!);
    if (before) return before;
    const path = objectPath(kind, id);
    const [snapshot, page] = await Promise.all([
      get<Snapshot>(`${path}${query({ at: at! })}`, signal),
      get<ChangesPage>(`${path}/changes${query({ after: at! - 1, limit: 1 })}`, signal),
    ]);
    const one = { snapshot, change: page.changes[0] };
    seen.current.set(at!, one);
    if (seen.current.size > REMEMBERED) seen.current.delete(seen.current.keys().next().value!);
    return one;
  });
  return { data: found.data?.snapshot, change: found.data?.change, problem: found.problem };
}

function Changes({ now, at, kind, id }: { now: Now; at: number | null; kind: string; id: string }) {
  return (
    <Card title="Changes" aside={<span class="soft">{now.floor > 0 ? `kept from seq ${count(now.floor + 1)}` : plural(now.head, "change")}</span>}>
      {now.changes.length === 0 ? (
        <p class="soft">No changes are kept.</p>
      ) : (
        <ol class="changes" reversed aria-label="Recent changes, the latest first">
          {now.changes.map((change) => (
            <li key={change.seq}>
              <ChangeLine change={change} href={href(kind, id, { at: change.seq === now.head ? undefined : change.seq })} current={change.seq === (at ?? now.head)} />
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}

function Alarms({ kind, id, time, seq }: { kind: string; id: string; time: number; seq: number }) {
  const path = objectPath(kind, id);
  const read = async (signal: AbortSignal) => {
    const [pending, dead] = await Promise.all([
      get<{ alarms: Alarm[] }>(`${path}/alarms`, signal),
      get<{ alarms: Alarm[] }>(`${path}/alarms?dead=true`, signal),
    ]);
    return [...pending.alarms, ...dead.alarms];
  };
  const alarms = useLoad(`alarms ${path} ${seq}`, read, 5000);
  const last = useRef<Alarm[]>([]);
  if (alarms.data) last.current = alarms.data;
  return (
    <Card title="Alarms">
      {alarms.problem && <Trouble problem={alarms.problem} retry={alarms.reload} />}
      {last.current.length === 0 && !alarms.problem && <p class="soft">None is set.</p>}
      <ul class="alarms">
        {last.current.map((alarm) => (
          <li key={`${alarm.name} ${alarm.dead ?? ""}`} class={alarm.dead ? "dead" : ""}>
            <Icon name="bell" size={16} />
            <span class="alarm-name">{alarm.name}</span>
            <span class="alarm-due">{alarm.dead ? "given up" : <When at={alarm.due} now={time} />}</span>
            {(alarm.dead || alarm.attempt > 0 || alarm.schedule !== null || isPayload(alarm.payload)) && (
              <span class="alarm-more">
                {alarm.dead && <span class="bad">{alarm.dead} </span>}
                {alarm.attempt > 0 && `failed ${plural(alarm.attempt, "time")} `}
                {alarm.schedule !== null && <code>{JSON.stringify(alarm.schedule)} </code>}
                {isPayload(alarm.payload) && <code>{JSON.stringify(alarm.payload)}</code>}
              </span>
            )}
          </li>
        ))}
      </ul>
    </Card>
  );
}

function isPayload(payload: Json): boolean {
  return payload !== null && !(isObject(payload) && Object.keys(payload).length === 0);
}

/** Who calls it, and whom it calls. */
function Neighbours({ kind, id }: { kind: string; id: string }) {
  const graph = useLoad(`near ${kind} ${id}`, (signal) => get<Graph>(`/v1/inspect/graph${query({ kind, id, limit: 50 })}`, signal), 3000);
  const edges = graph.data?.edges ?? [];
  const isMe = (name: Name | null) => name?.kind === kind && name.id === id;
  return (
    <Card title="Calls in the last minute">
      {graph.problem && <Trouble problem={graph.problem} retry={graph.reload} />}
      {graph.data && edges.length === 0 && <p class="soft">{graph.data.limit === 0 ? "This program does not count calls: it says .metrics() before .start()." : "None."}</p>}
      <ul class="near">
        {edges.map((edge) => {
          const incoming = isMe(edge.to);
          const other = incoming ? edge.from : edge.to;
          return (
            <li key={`${edge.way} ${incoming} ${other?.kind} ${other?.id}`}>
              <span class="near-way">{incoming ? "from" : "to"}</span>
              {other ? (
                <a href={href(other.kind, other.id)}>
                  <KindMark kind={other.kind} />
                  {isMe(other) ? "itself" : `${other.kind} ${other.id}`}
                </a>
              ) : (
                <span>{edge.way === "alarm" ? "an alarm" : "clients"}</span>
              )}
              <span class="near-how">
                {edge.way === "message" ? "message " : ""}
                <code>{edge.handler}</code>
              </span>
              <span class="near-rate">{compact(edge.per_minute)}</span>
            </li>
          );
        })}
      </ul>
    </Card>
  );
}

/** Whether keys are text for a field just now. */
export function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  return element?.matches?.("input:not([type=range]):not([type=checkbox]), textarea, select") ?? false;
}

