/** The node: what it is, what it holds, what its limits are, what it knows. */
import { get } from "../data/api";
import { kinds } from "../data/kinds";
import { href } from "../data/route";
import { bytes, count, duration, plural } from "../data/text";
import type { Handler, Kind, NodeInfo, StoreInfo } from "../data/types";
import { Card, Fact, KindMark, Trouble, Waiting } from "../parts/bits";
import { useLoad } from "../parts/use";

export function NodeView() {
  const node = useLoad("node", (signal) => get<NodeInfo>("/v1/inspect/node", signal), 2000);
  const store = useLoad("store", (signal) => get<StoreInfo>("/v1/inspect/store", signal), 3000);
  return (
    <div class="page node">
      <header class="bar">
        <h1>Node</h1>
        <p class="soft">{location.host}</p>
      </header>
      {node.problem && <Trouble problem={node.problem} retry={node.reload} />}
      {node.loading && <Waiting what="the node" />}
      {node.data && <Numbers node={node.data} store={store.data} />}
      <div class="columns">
        <div class="column">
          <Card title="Store">
            {store.problem && <Trouble problem={store.problem} retry={store.reload} />}
            {store.loading && <Waiting what="the store" />}
            {store.data && <Store store={store.data} />}
          </Card>
          {node.data && <Limits title="Limits of the front door" limits={node.data.limits.server} />}
        </div>
        <div class="column">{node.data && <Limits title="Limits of the node" limits={node.data.limits.node} />}</div>
      </div>
      <Card title="Kinds" aside={<span class="soft">{plural(kinds.value.length, "kind")}</span>}>
        <div class="kind-cards">
          {kinds.value.map((kind) => (
            <KindCard key={kind.kind} kind={kind} count={store.data?.objects[kind.kind] ?? (store.data ? 0 : undefined)} />
          ))}
        </div>
      </Card>
    </div>
  );
}

function Numbers({ node, store }: { node: NodeInfo; store: StoreInfo | undefined }) {
  const objects = store && Object.values(store.objects).reduce((all, one) => all + one, 0);
  const tiles: [string, string, string][] = [
    ["version", node.version, node.running ? "takes calls" : "is stopping"],
    ["uptime", duration(node.uptime_ms), "since it was started"],
    ["objects", objects === undefined ? "…" : count(objects), `${count(node.objects_in_memory)} in memory`],
    ["memory", node.process_bytes === null ? bytes(node.bytes_in_memory) : bytes(node.process_bytes), `objects take ${bytes(node.bytes_in_memory)}`],
    ["shards", count(node.shards), "all owned by this node"],
    ["watched", plural(node.objects_watched, "object"), `${plural(node.messages_under_way, "message")} under way`],
  ];
  return (
    <dl class="tiles">
      {tiles.map(([name, value, more]) => (
        <div class="tile" key={name}>
          <dt>{name}</dt>
          <dd>
            <span class="tile-value">{value}</span>
            <span class="tile-more">{more}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Store({ store }: { store: StoreInfo }) {
  const rows: [string, string][] = [
    ["store", store.store],
    ["on the disk", store.bytes > 0 ? bytes(store.bytes) : "in memory only, or not told"],
    ["changes kept", count(store.changes)],
    ["alarms", `${count(store.alarms)} pending${store.dead_alarms ? `, ${count(store.dead_alarms)} given up` : ""}`],
    ["messages to deliver", count(store.outbox)],
    ["outcomes of keyed calls", count(store.outcomes)],
    ["indexes", store.indexes.map(({ kind, path }) => `${kind}.${path}`).join(", ") || "none"],
    ["schema", String(store.schema)],
    ["id", store.id],
  ];
  return <Table rows={rows} />;
}

const NAMES: Record<string, string> = {
  call_timeout_ms: "the longest wait for a call",
  mailbox: "calls that wait for one object",
  objects_max: "objects in memory",
  memory_max: "bytes of objects in memory",
  commits_in_flight: "batches of commits on their way",
  alarms_in_flight: "alarms that run at once",
  messages_in_memory: "messages in memory",
  watch_buffer: "changes kept for a slow watcher",
  outcomes_kept_ms: "outcomes of keyed calls are kept",
  drain_timeout_ms: "a stop waits at most",
  traffic_edges: "edges of the graph of calls",
  body_bytes: "a request's body",
  decompressed_bytes: "the same, decompressed",
  connections: "connections",
  page_items: "items of a page",
  page_bytes: "bytes of a page",
  request_timeout_ms: "a request that is no call",
  keep_alive_ms: "an idle connection",
  heartbeat_ms: "a heartbeat on silent streams every",
};

const BYTES = new Set(["memory_max", "body_bytes", "decompressed_bytes", "page_bytes"]);

function Limits({ title, limits }: { title: string; limits: Record<string, number> }) {
  const shown = (name: string, value: number) => (name.endsWith("_ms") ? duration(value) : BYTES.has(name) ? bytes(value) : count(value));
  const rows = Object.entries(limits).map(([name, value]) => [NAMES[name] ?? name, shown(name, value)] as [string, string]);
  return (
    <Card title={title}>
      <Table rows={rows} />
    </Card>
  );
}

function Table({ rows }: { rows: [string, string][] }) {
  return (
    <table class="plain">
      <tbody>
        {rows.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function KindCard({ kind, count: objects }: { kind: Kind; count: number | undefined }) {
  const { options } = kind;
  const traits = [
    options.durability === "commit" ? "durable" : options.durability,
    `history ${typeof options.history === "number" ? count(options.history) : options.history}`,
    `hibernates after ${options.hibernate_after}`,
    `leaves memory after ${options.shutdown_after}`,
    ...(options.stateless ? ["stateless"] : []),
    ...(options.version > 1 ? [`version ${options.version}`] : []),
  ];
  return (
    <article class="kind-card">
      <h3>
        <KindMark kind={kind.kind} />
        <a href={href(kind.kind)}>{kind.kind}</a>
        {objects !== undefined && <span class="soft">{plural(objects, "object")}</span>}
      </h3>
      {kind.description && <p>{kind.description}</p>}
      <dl class="facts small-facts">
        <Fact name="options">{traits.join(", ")}</Fact>
        {kind.indexes.length > 0 && <Fact name="indexes">{kind.indexes.join(", ")}</Fact>}
      </dl>
      <ul class="handlers">
        {kind.handlers.map((handler) => (
          <HandlerLine key={handler.name} handler={handler} />
        ))}
        {kind.alarms.map((handler) => (
          <HandlerLine key={`alarm ${handler.name}`} handler={handler} alarm />
        ))}
      </ul>
    </article>
  );
}

function HandlerLine({ handler, alarm = false }: { handler: Handler; alarm?: boolean }) {
  const parameters = handler.parameters.map(({ name, optional }) => `${name}${optional ? "?" : ""}`).join(", ");
  return (
    <li>
      <code>
        {handler.name}({alarm ? "" : parameters})
      </code>
      {handler.reads && <span class="badge">reads</span>}
      {alarm && <span class="badge">alarm</span>}
      {handler.description && <span class="soft"> {handler.description}</span>}
    </li>
  );
}
