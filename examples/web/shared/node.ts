/** What the pages share: the connection to the node that serves them, and the name of who looks. */
import { connect, type Db, type KindTypes, type Options } from "@abide/client";

/** Connects to the node that this page came from; where it lets nobody in without a token, the page says so. */
export async function node<Kinds extends { [Kind in keyof Kinds]: KindTypes }>(options: Options = {}): Promise<Db<Kinds>> {
  try {
    return await connect<Kinds>({ url: location.origin, ...options });
  } catch (error) {
    shut((error as Error).message);
    return new Promise(() => undefined);
  }
}

/** Shows why there is nothing else to see. */
function shut(why: string): void {
  const line = (name: string, text: string, look = "") => Object.assign(document.createElement(name), { textContent: text, className: look });
  const card = line("div", "", "card");
  card.setAttribute("role", "alert");
  card.append(
    line("h1", "The node does not let this page in"),
    line("p", why, "error"),
    line("p", "This page has no token to show. In abide.toml, anonymous = true and an [[access]] rule for anonymous_roles let it in.", "soft"),
  );
  const door = line("main", "", "door");
  door.append(card);
  document.getElementById("app")?.replaceChildren(door);
}

/** The name of who looks: each tab may have its own, a new tab begins with the last one. */
export const name = {
  get(): string {
    return new URLSearchParams(location.search).get("name") ?? sessionStorage.getItem("name") ?? "";
  },
  last(): string {
    return localStorage.getItem("name") ?? "";
  },
  set(name: string): void {
    sessionStorage.setItem("name", name);
    localStorage.setItem("name", name);
  },
};

/** A colour that belongs to a text, in degrees. */
export function hue(text: string): number {
  let sum = 7;
  for (const c of text) sum = (sum * 31 + (c.codePointAt(0) ?? 0)) % 0xffff;
  return Math.round(sum * 137.508) % 360;
}

/** The part of the address after `#/`. */
export function place(otherwise: string): string {
  return decodeURIComponent(location.hash.replace(/^#\/?/, "")) || otherwise;
}
