/** The graph, drawn by cytoscape. Nodes keep their places while calls come and go. */
import cytoscape, { type Core, type ElementDefinition, type NodeSingular } from "cytoscape";
import { COLOURS, kindColour } from "../data/kinds";
import { colour, onColours } from "../data/theme";
import type { Edge, Name } from "../data/types";

export type Drawing = { show(edges: Edge[]): void; recolour(): void; arrange(): void; fit(): void; remove(): void };

const CLIENTS = "clients";
const ALARMS = "alarms";

/** Where nodes were when the graph was last seen. */
const places = new Map<string, { x: number; y: number }>();
const PLACES_MAX = 2000;

/** A graph of so many nodes is arranged roughly and without being moved before one's eyes. */
const MANY = 40;

/** How often a graph is arranged anew by itself, and from which share of newcomers on. */
const ARRANGED_EVERY_MS = 10_000;
const NEWCOMERS = 0.2;

type Shown = { nodes: Map<string, { name: Name | null; rate: number }>; edges: Map<string, { from: string; to: string; edge: Edge }> };

export function draw(box: HTMLElement, open: (name: Name) => void): Drawing {
  const graph = cytoscape({ container: box, minZoom: 0.2, maxZoom: 2.5, boxSelectionEnabled: false, autoungrabify: false });
  graph.on("tap", "node", (event) => {
    const name = (event.target as NodeSingular).data("name") as Name | null;
    if (name) open(name);
  });
  graph.on("mouseover", "node", (event) => near(graph, event.target as NodeSingular));
  graph.on("mouseout", "node", () => graph.elements().removeClass("far near"));
  graph.on("dragfree", "node", (event) => remember(event.target as NodeSingular));
  const recolour = () => void graph.style(style());
  const stop = onColours(recolour);
  const sized = new ResizeObserver(() => {
    graph.resize();
    graph.fit(undefined, 36);
  });
  sized.observe(box);
  const fit = () => {
    graph.fit(undefined, 36);
    if (graph.zoom() > 1.3) {
      graph.zoom(1.3);
      graph.center();
    }
  };
  let arranged = 0;
  const arrange = (anew: boolean) => {
    const many = graph.nodes().length > MANY;
    const calm = many || matchMedia("(prefers-reduced-motion: reduce)").matches;
    arranged = performance.now();
    const layout = graph.layout({
      name: "cose",
      animate: calm ? false : ("end" as unknown as boolean),
      animationDuration: 400,
      randomize: anew,
      fit: false,
      padding: 36,
      nodeRepulsion: () => 60_000,
      idealEdgeLength: () => 110,
      edgeElasticity: () => 140,
      nodeOverlap: 24,
      gravity: 0.4,
      componentSpacing: 70,
      numIter: many ? 120 : 700,
    });
    layout.one("layoutstop", () => {
      graph.nodes().forEach((node) => remember(node));
      fit();
    });
    layout.run();
  };
  return {
    show: (edges) => {
      const before = graph.nodes().length;
      const first = before === 0;
      const grown = update(graph, digest(edges));
      if (first) recolour();
      const due = first || (grown > NEWCOMERS * graph.nodes().length && performance.now() - arranged > ARRANGED_EVERY_MS);
      if (grown > 0 && due) arrange(first && places.size === 0);
      else if (graph.nodes().length !== before) fit();
    },
    recolour,
    arrange: () => arrange(true),
    fit,
    remove: () => {
      stop();
      sized.disconnect();
      graph.destroy();
    },
  };
}

function idOf({ kind, id }: Name): string {
  return `o ${kind} ${id}`;
}

/** What is to be seen of some edges. */
function digest(edges: Edge[]): Shown {
  const shown: Shown = { nodes: new Map(), edges: new Map() };
  const add = (id: string, name: Name | null, rate: number) => {
    const node = shown.nodes.get(id) ?? { name, rate: 0 };
    node.rate += rate;
    shown.nodes.set(id, node);
  };
  for (const edge of edges) {
    const from = edge.from ? idOf(edge.from) : edge.way === "alarm" ? ALARMS : CLIENTS;
    const to = idOf(edge.to);
    add(from, edge.from, edge.from ? 0 : edge.per_minute);
    add(to, edge.to, edge.per_minute);
    shown.edges.set(`e ${edge.way} ${from} ${to}`, { from, to, edge });
  }
  return shown;
}

/** Brings the graph up to date; how many nodes came that have no place yet. */
function update(graph: Core, shown: Shown): number {
  let grown = 0;
  graph.batch(() => {
    graph.elements().forEach((element) => {
      const id = (element as cytoscape.SingularElementReturnValue).id();
      if (!shown.nodes.has(id) && !shown.edges.has(id)) element.remove();
    });
    const added: ElementDefinition[] = [];
    for (const [id, { name, rate }] of shown.nodes) {
      const data = { size: name ? size(rate) : 30, label: label(id, name, rate) };
      const known = graph.getElementById(id);
      if (known.nonempty()) {
        known.data(data);
        continue;
      }
      const position = places.get(id);
      if (!position) grown++;
      const classes = name ? `hue-${kindColour(name.kind)}` : "outside";
      added.push({ group: "nodes", data: { id, name, ...data }, classes, ...(position ? { position: { ...position } } : { position: beside(shown, id) }) });
    }
    for (const [id, { from, to, edge }] of shown.edges) {
      const data = { width: Math.min(5, 0.6 + Math.log10(1 + edge.per_minute) * 1.1) };
      const known = graph.getElementById(id);
      if (known.nonempty()) known.data(data);
      else added.push({ group: "edges", data: { id, source: from, target: to, ...data }, classes: `${edge.way}${edge.from ? "" : " faint"}` });
    }
    graph.add(added);
  });
  return grown;
}

/** A new node begins beside one that it has to do with. */
function beside(shown: Shown, id: string): { x: number; y: number } {
  const edge = [...shown.edges.values()].find(({ from, to }) => from === id || to === id);
  const other = edge ? places.get(edge.from === id ? edge.to : edge.from) : undefined;
  const n = [...shown.nodes.keys()].indexOf(id);
  const [turn, far] = [n * 2.4, 60 + 26 * Math.sqrt(n)];
  return { x: (other?.x ?? 0) + far * Math.cos(turn), y: (other?.y ?? 0) + far * Math.sin(turn) };
}

function remember(node: NodeSingular): void {
  if (places.size >= PLACES_MAX) places.clear();
  places.set(node.id(), { ...node.position() });
}

function size(rate: number): number {
  return Math.min(64, 16 + Math.sqrt(rate) * 1.6);
}

function label(id: string, name: Name | null, rate: number): string {
  const text = name ? name.id : id;
  return `${text.length > 22 ? `${text.slice(0, 21)}…` : text}${rate >= 1 && name ? `\n${rate.toLocaleString("en")}/min` : ""}`;
}

function near(graph: Core, node: NodeSingular): void {
  graph.batch(() => {
    graph.elements().addClass("far");
    node.closedNeighborhood().removeClass("far").addClass("near");
  });
}

function style(): cytoscape.StylesheetJson {
  const [ink, soft, line, paper] = ["--ink", "--soft", "--edge", "--ground"].map(colour) as [string, string, string, string];
  const font = "system-ui, sans-serif";
  const kinds = Array.from({ length: COLOURS }, (_, hue) => ({ selector: `node.hue-${hue}`, style: { "background-color": colour(`--hue-${hue}`) } }));
  return [
    {
      selector: "node",
      style: {
        width: "data(size)",
        height: "data(size)",
        label: "data(label)",
        color: ink,
        "font-family": font,
        "font-size": 11,
        "text-wrap": "wrap",
        "text-valign": "bottom",
        "text-margin-y": 5,
        "line-height": 1.25,
        "text-outline-color": paper,
        "text-outline-width": 2,
        "min-zoomed-font-size": 6,
        "border-width": 2,
        "border-color": paper,
      },
    },
    ...kinds,
    { selector: "node.outside", style: { shape: "round-rectangle", "background-color": soft, color: soft, "font-weight": "bold" } },
    {
      selector: "edge",
      style: {
        width: "data(width)",
        "line-color": line,
        "target-arrow-color": line,
        "target-arrow-shape": "triangle",
        "arrow-scale": 0.7,
        opacity: 0.75,
        "curve-style": "bezier",
        "loop-direction": "-45deg",
      },
    },
    { selector: "edge.message", style: { "line-style": "dashed" } },
    { selector: "edge.faint", style: { opacity: 0.5 } },
    { selector: ".far", style: { opacity: 0.15 } },
    { selector: "edge.near", style: { opacity: 1, "line-color": ink, "target-arrow-color": ink } },
  ] as cytoscape.StylesheetJson;
}
