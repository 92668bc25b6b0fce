/** Server-sent events through `fetch`, which can carry a token where `EventSource` cannot. */
import { Problem, send } from "./api";
import { lost } from "./link";

export type Message = { event: string; id: string; data: string };

const AGAIN_MS = 1000;

/** No stream is silent for longer: the node sends a comment every 15 s. */
const SILENCE_MS = 40_000;

export type Listening = {
  onMessage(message: Message): void;
  onOpen?(): void;
  /** A problem that trying again does not mend. */
  onProblem?(problem: Problem): void;
};

/**
 * Reads events until `stop` is called. A connection that ends is opened again, after the last event that was seen.
 */
export function listen(path: (last: string) => string, listening: Listening): () => void {
  const stopped = new AbortController();
  void run(path, listening, stopped.signal);
  return () => stopped.abort();
}

async function run(path: (last: string) => string, listening: Listening, stopped: AbortSignal): Promise<void> {
  let last = "";
  while (!stopped.aborted) {
    try {
      await once(path(last), stopped, listening, (message) => {
        if (message.id) last = message.id;
        listening.onMessage(message);
      });
    } catch (error) {
      if (stopped.aborted) return;
      if (error instanceof Problem && error.status >= 400 && !error.retryable) return listening.onProblem?.(error);
    }
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
}

async function once(
  path: string,
  stopped: AbortSignal,
  listening: Listening,
  heard: (message: Message) => void,
): Promise<void> {
  const silent = new AbortController();
  let alarm = setTimeout(() => silent.abort(), SILENCE_MS);
  try {
    const signal = AbortSignal.any([stopped, silent.signal]);
    const answer = await send(path, { signal, headers: { accept: "text/event-stream" } });
    listening.onOpen?.();
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      clearTimeout(alarm);
      alarm = setTimeout(() => silent.abort(), SILENCE_MS);
      const blocks = (text + value).split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        const message = read(block);
        if (message) heard(message);
      }
    }
  } catch (error) {
    if (!stopped.aborted && !(error instanceof Problem)) lost();
    throw error;
  } finally {
    clearTimeout(alarm);
  }
}

/** One event; `null` for a comment. */
export function read(block: string): Message | null {
  const message: Message = { event: "message", id: "", data: "" };
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, "");
    const field = line.slice(0, colon);
    if (field === "event") message.event = value;
    else if (field === "id") message.id = value;
    else if (field === "data") data.push(value);
  }
  message.data = data.join("\n");
  return data.length ? message : null;
}
