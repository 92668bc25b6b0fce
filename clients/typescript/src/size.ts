import { AbideError } from "./error.js";

/** Whether a text has more bytes on the wire than `most`. */
export function exceeds(text: string, most: number): boolean {
  return text.length * 3 > most && new TextEncoder().encode(text).length > most;
}

/** Throws if data has more bytes than the node takes. */
export function fit(data: unknown, most: number): void {
  if (exceeds(JSON.stringify(data) ?? "", most)) {
    throw new AbideError("too_large", `the data has more than ${most} bytes; it was not sent`);
  }
}
