import { AbideError } from "./error.js";
import type { ErrorFrame, Request } from "./frames.js";
import type { Link } from "./link.js";
import { exceeds } from "./size.js";
import { later, now, pause, type Timer } from "./timer.js";
import type { CallOptions } from "./types.js";

/** How many calls may wait, on the connection and for it. */
const WAITING_MAX = 10_000;

/** No call waits longer than a day. */
const TIMEOUT_MAX_MS = 24 * 60 * 60 * 1000;

interface Pending {
  n: number;
  /** The frame, as it was when the call was made. */
  text: string;
  type: Request["type"];
  /** Whether it has a key. */
  keyed: boolean;
  due: number;
  sent: boolean;
  /** Whether the node lets it wait less long than its caller does. */
  cut: boolean;
  attempt: number;
  /** Whether an earlier try may have taken effect. */
  doubt: boolean;
  /** Runs while it waits before it is sent again. */
  held?: Timer | undefined;
  resolve(result: unknown): void;
  reject(error: AbideError): void;
}

/** The calls that have no answer yet, and whatever else is answered once. */
export class Calls {
  private readonly pending = new Map<number, Pending>();
  private readonly mark = unguessable();
  private flying = 0;

  constructor(private readonly link: Link) {}

  /** Makes a call; what comes of it. */
  make(frame: Request, options: CallOptions, usualMs = 30_000): Promise<unknown> {
    const { key = `${this.mark}-${frame.n}`, signal } = options;
    const timeoutMs = Math.min(options.timeoutMs ?? usualMs, TIMEOUT_MAX_MS);
    const { n, type } = frame;
    if (frame.type === "call" && key !== false) frame.key = key;
    return new Promise((resolve, reject) => {
      if (this.link.status === "closed") return reject(this.link.error ?? closed());
      if (this.pending.size >= WAITING_MAX) {
        return reject(new AbideError("overloaded", `${WAITING_MAX} calls wait already; it was not sent`, { retryable: true }));
      }
      if (signal?.aborted) return reject(aborted(false));
      const text = JSON.stringify(frame);
      const giveUp = (error: (maybe: boolean) => AbideError) => {
        if (call.sent) this.link.send({ type: "cancel", n });
        call.reject(error(doubtful(call)));
      };
      const onAbort = () => giveUp(aborted);
      const timer = later(timeoutMs, () => giveUp((maybe) => late(timeoutMs, maybe, this.link.error)));
      const done = <T>(end: (value: T) => void) => (value: T) => {
        clearTimeout(timer);
        clearTimeout(call.held);
        signal?.removeEventListener("abort", onAbort);
        this.pending.delete(n);
        end(value);
        if (!call.sent) return;
        this.flying -= 1;
        this.pump();
      };
      const call: Pending = {
        n, text, type, keyed: type === "call" && key !== false, due: now() + timeoutMs,
        sent: false, cut: false, attempt: 0, doubt: false, resolve: done(resolve), reject: done(reject),
      };
      signal?.addEventListener("abort", onAbort);
      this.pending.set(n, call);
      this.pump();
    });
  }

  /** Sends what waits, as much as the node takes at a time. */
  pump(): void {
    const { limits, ready } = this.link;
    if (!limits || !ready) return;
    for (const call of this.pending.values()) {
      if (this.flying >= limits.calls) return;
      if (call.sent || call.held) continue;
      const left = Math.max(1, Math.floor(call.due - now()));
      const most = limits.timeout_ms || left;
      const text = call.type === "call" ? `${call.text.slice(0, -1)},"timeout_ms":${Math.min(left, most)}}` : call.text;
      if (exceeds(text, limits.frame_bytes)) {
        const detail = `the call has more than ${limits.frame_bytes} bytes; it was not sent${call.doubt ? " again" : ""}`;
        call.reject(new AbideError("too_large", detail, { maybeApplied: call.doubt }));
        continue;
      }
      call.cut = left > most;
      call.sent = true;
      this.flying += 1;
      this.link.write(text);
    }
  }

  /** Whether calls are under way. */
  get busy(): boolean {
    return this.flying > 0;
  }

  /** Whether calls wait to be sent. */
  get waiting(): boolean {
    return this.pending.size > this.flying;
  }

  /** The connection is gone: what may be sent again waits for the next one, of the rest nothing can be known. */
  lost(): void {
    for (const call of [...this.pending.values()]) {
      if (!call.sent) continue;
      if (repeats(call)) {
        call.doubt = call.keyed;
        this.rest(call);
      } else {
        call.reject(unknown("the connection broke before the answer; the call may have taken effect"));
      }
    }
  }

  /** Another caller is at work from here on, whose keys are others: what may have taken effect would do so again. */
  changeCaller(): void {
    for (const call of [...this.pending.values()]) {
      if (call.doubt) call.reject(unknown("its token is another caller's now; the call may have taken effect, and was not sent again"));
    }
  }

  /** There will be no connection any more. */
  end(error: AbideError): void {
    for (const call of [...this.pending.values()]) {
      call.reject(new AbideError(error.code, error.message, { ...error, maybeApplied: doubtful(call) }));
    }
  }

  /** The answer to a call. */
  answer(n: number, result: unknown): void {
    this.pending.get(n)?.resolve(result);
  }

  /** A call failed: it is made again if it may be and that may help. `false` if there is no such call. */
  fail(n: number, frame: ErrorFrame): boolean {
    const call = this.pending.get(n);
    if (!call) return false;
    call.doubt ||= frame.maybe_applied ?? false;
    // What the handler itself refuses was asked for its key before: no earlier try took effect.
    const proven = frame.code === "rejected" && !frame.maybe_applied && call.keyed;
    const wait = pause(call.attempt, frame.retry_after_ms);
    // A deadline that is the node's, and earlier than the caller's, is no end. To what only reads the node always sets its own.
    const helps = frame.code === "deadline" ? call.cut || reads(call) : frame.retryable;
    if (helps && repeats(call) && now() + wait < call.due) {
      this.rest(call);
      call.held = later(wait, () => {
        call.held = undefined;
        this.pump();
      });
      this.pump();
    } else {
      call.reject(fault({ ...frame, maybe_applied: call.doubt && !proven }));
    }
    return true;
  }

  /** It is to be sent again. */
  private rest(call: Pending): void {
    call.sent = false;
    call.attempt += 1;
    this.flying -= 1;
  }
}

/** Whether sending it twice does no more than sending it once. */
function repeats(call: Pending): boolean {
  return call.keyed || reads(call);
}

/** Whether it has no effect. */
function reads({ type }: Pending): boolean {
  return type === "get" || type === "list";
}

/** Whether it may have taken effect. */
function doubtful(call: Pending): boolean {
  return call.doubt || (call.sent && !reads(call));
}

/** The error that a frame tells of. */
export function fault(frame: ErrorFrame): AbideError {
  const { code, detail, retryable, maybe_applied: maybeApplied, retry_after_ms: retryAfterMs, data } = frame;
  return new AbideError(code, detail, { retryable, maybeApplied, retryAfterMs, data });
}

/** What is said of everything after `close`. */
export function closed(): AbideError {
  return new AbideError("unavailable", "this client was closed");
}

function unknown(detail: string): AbideError {
  return new AbideError("unavailable", detail, { maybeApplied: true });
}

function aborted(maybeApplied: boolean): AbideError {
  return new AbideError("deadline", "the call was given up", { maybeApplied });
}

function late(ms: number, maybeApplied: boolean, why: AbideError | undefined): AbideError {
  const detail = `no answer within ${ms} ms${why ? `: ${why.message}` : ""}`;
  return new AbideError("deadline", detail, { retryable: true, maybeApplied });
}

function unguessable(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(36).padStart(2, "0")).join("");
}
