/** Who calls whom: a live graph, and the same as a list. The library that draws it is loaded with it. */
import { useEffect, useRef, useState } from "preact/hooks";
import { call, get, query } from "../data/api";
import { kinds, kindsRead } from "../data/kinds";
import { href } from "../data/route";
import { compact, count, plural } from "../data/text";
import { theme } from "../data/theme";
import type { Edge, Graph, Name } from "../data/types";
import { Command, Empty, KindMark, Trouble, Waiting } from "../parts/bits";
import type { Drawing } from "../parts/drawing";
import { useLoad } from "../parts/use";

/** More edges than these cannot be told apart. */
const EDGES = 100;

const EVERY_MS = 3000;

export function GraphPanel({ kind }: { kind: string | undefined }) {
  const graph = useLoad("graph", (signal) => get<Graph>(`/v1/inspect/graph${query({ limit: kind ? 1000 : EDGES })}`, signal), EVERY_MS);
  const [clients, showClients] = useState(true);
  const of = (name: Name | null) => name?.kind === kind;
  const edges = (graph.data?.edges ?? []).filter((edge) => !kind || of(edge.to) || of(edge.from)).slice(0, EDGES);
  const drawn = clients ? edges : edges.filter((edge) => edge.from !== null);
  return (
    <div class="graph">
      <header class="bar">
        {kind ? <h2>Who calls whom: {kind}</h2> : <h1 class="graph-title">Who calls whom</h1>}
        <label class="tick">
          <input type="checkbox" checked={clients} onChange={(event) => showClients(event.currentTarget.checked)} />
          clients and alarms
        </label>
      </header>
      {graph.problem && <Trouble problem={graph.problem} retry={graph.reload} />}
      {graph.loading && <Waiting what="the graph" />}
      {graph.data && edges.length === 0 && <NoCalls off={graph.data.limit === 0} kind={kind} />}
      {edges.length > 0 && (
        <>
          <Canvas edges={drawn} all={edges} />
          <p class="graph-note" role="status">
            Calls in the last minute{graph.data!.active > edges.length ? `: the ${count(edges.length)} busiest of ${plural(graph.data!.active, "edge")}` : ""}. Size is calls per minute; dashed lines are messages.
          </p>
          <Busiest edges={edges} />
        </>
      )}
    </div>
  );
}

function Canvas({ edges, all }: { edges: Edge[]; all: Edge[] }) {
  const box = useRef<HTMLDivElement>(null);
  const drawing = useRef<Drawing | null>(null);
  const latest = useRef(edges);
  latest.current = edges;
  const look = theme.value;
  useEffect(() => {
    let gone = false;
    void import("../parts/drawing").then(({ draw }) => {
      if (gone || !box.current) return;
      drawing.current = draw(box.current, ({ kind, id }) => (location.hash = href(kind, id)));
      drawing.current.show(latest.current);
    });
    return () => {
      gone = true;
      drawing.current?.remove();
      drawing.current = null;
    };
  }, []);
  useEffect(() => drawing.current?.show(edges), [edges]);
  useEffect(() => drawing.current?.recolour(), [look, kinds.value]);
  const objects = new Set(all.map(({ to }) => `${to.kind} ${to.id}`)).size;
  return (
    <div class="canvas-box">
      <div class="canvas" ref={box} role="img" aria-label={`A graph of ${plural(objects, "object")} and ${plural(all.length, "edge")}; the table below says the same`} />
      <div class="canvas-tools">
        <button type="button" class="quiet small" onClick={() => drawing.current?.arrange()}>
          Arrange
        </button>
        <button type="button" class="quiet small" onClick={() => drawing.current?.fit()}>
          Fit
        </button>
      </div>
    </div>
  );
}

function Busiest({ edges }: { edges: Edge[] }) {
  const [open, set] = useState(false);
  return (
    <details class="busiest" open={open} onToggle={(event) => set((event.currentTarget as HTMLDetailsElement).open)}>
      <summary>The same as a table</summary>
      {open && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Who calls whom, a table">
          <table class="handlers-table">
            <thead>
              <tr>
                <th scope="col">from</th>
                <th scope="col">to</th>
                <th scope="col">handler</th>
                <th scope="col">calls a minute</th>
              </tr>
            </thead>
            <tbody>
              {edges.slice(0, 60).map((edge) => (
                <tr key={`${edge.way} ${edge.from?.kind} ${edge.from?.id} ${edge.to.kind} ${edge.to.id}`}>
                  <td>{edge.from ? <Named name={edge.from} /> : edge.way === "alarm" ? "alarms" : "clients"}</td>
                  <td>
                    <Named name={edge.to} />
                  </td>
                  <td>
                    <code>{edge.handler}</code>
                  </td>
                  <td>{compact(edge.per_minute)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

function Named({ name }: { name: Name }) {
  return (
    <a href={href(name.kind, name.id)}>
      <KindMark kind={name.kind} />
      {name.kind} {name.id}
    </a>
  );
}

/** What to do on a cold start. */
function NoCalls({ off, kind }: { off: boolean; kind: string | undefined }) {
  if (off) {
    return (
      <Empty title="This program does not count calls">
        <p>
          The graph is there once it does: <code>.metrics()</code> before <code>.start()</code>.
        </p>
      </Empty>
    );
  }
  const has = (name: string) => kinds.value.some((one) => one.kind === name);
  return (
    <Empty title="Nobody has called anything in the last minute">
      <p>Objects appear here as they are called. Try one, in a terminal or right here:</p>
      {kindsRead.value && has("Wallet") && has("Counter") ? (
        <>
          <Command text={`curl ${location.origin}/v1/objects/Counter/visits/increment --json '{"amount": 5}'`} />
          <Command text={`curl ${location.origin}/v1/objects/Wallet/alice/deposit --json '{"amount": 100}'\ncurl ${location.origin}/v1/objects/Wallet/alice/transfer --json '{"to": "bob", "amount": 30}'`} />
          <button type="button" onClick={() => void tryIt()}>
            Make these calls for me
          </button>
        </>
      ) : (
        <p>
          Choose a kind{kind ? "" : " on the left"}, type an id, press Enter, and call a handler in the form.
        </p>
      )}
    </Empty>
  );
}

async function tryIt(): Promise<void> {
  await call("Counter", "visits", "increment", { amount: 5 });
  await call("Wallet", "alice", "deposit", { amount: 100 });
  await call("Wallet", "alice", "transfer", { to: "bob", amount: 30 });
}
