/** Where we are, in the part of the address after `#`: every view has a link. */
import { signal } from "@preact/signals";

export type View = "objects" | "changes" | "metrics" | "node";

export type Route = { view: View; kind?: string; id?: string; query: URLSearchParams };

export const VIEWS: View[] = ["objects", "changes", "metrics", "node"];

export function parseHash(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view, kind, ...rest] = path.split("/").map(decode);
  const query = new URLSearchParams(search);
  if (view !== "objects" || !kind) return { view: VIEWS.find((known) => known === view) ?? "objects", query };
  const id = rest.join("/");
  return id ? { view, kind, id, query } : { view, kind, query };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const route = signal<Route>(parseHash(location.hash));

addEventListener("hashchange", () => (route.value = parseHash(location.hash)));

export function href(kind?: string, id?: string, query?: Record<string, string | number | undefined>): string {
  const path = ["objects", kind, id].filter((part) => part !== undefined).map((part) => encodeURIComponent(part!));
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== "");
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `#/${path.join("/")}${search ? `?${search}` : ""}`;
}

/** Goes to a view without a new entry in the browser's history. */
export function replace(hash: string): void {
  history.replaceState(null, "", hash);
  route.value = parseHash(hash);
}
