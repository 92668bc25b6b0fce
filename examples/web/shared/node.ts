/** What the pages share: the connection to the node that serves them, and the name of who looks. */
import { connect, type Db, type KindTypes, type Options } from "@abide/client";

/** Connects to the node that this page came from. */
export function node<Kinds extends { [Kind in keyof Kinds]: KindTypes }>(options: Options = {}): Promise<Db<Kinds>> {
  return connect<Kinds>({ url: location.origin, ...options });
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
