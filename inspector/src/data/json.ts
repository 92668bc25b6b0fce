/** JSON as nodes write it. Whole numbers that a browser's numbers cannot hold are kept exactly, as `bigint`. */
export type Json = null | boolean | number | bigint | string | Json[] | { [name: string]: Json };

type Context = { source?: string };
type Exact = { parse(text: string, reviver: (key: string, value: unknown, context?: Context) => unknown): unknown };
type Raw = { rawJSON?(text: string): unknown };

export function parse(text: string): Json {
  if (!/\d{16}/.test(text)) return JSON.parse(text) as Json;
  return (JSON as Exact).parse(text, (_, value, context) => {
    const source = context?.source;
    const lost = typeof value === "number" && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source);
    return lost ? BigInt(source) : value;
  }) as Json;
}

export function write(value: Json | undefined, indent?: number): string {
  const raw = JSON as Raw;
  const exact = (_: string, item: unknown) =>
    typeof item === "bigint" ? (raw.rawJSON ? raw.rawJSON(item.toString()) : Number(item)) : item;
  return JSON.stringify(value, exact, indent) ?? "";
}

export function isObject(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value on one line, cut where it gets long. */
export function brief(value: Json | undefined, most = 120): string {
  const text = isObject(value) ? Object.entries(value).map(([name, item]) => `${name}: ${write(item)}`).join(", ") : write(value);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
