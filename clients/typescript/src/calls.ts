import { AbideError } from "./error.js";
import type { CallFrame, ErrorFrame } from "./frames.js";
import type { Link } from "./link.js";
import type { CallOptions } from "./types.js";

/** How many calls may wait, on the connection and for it. */
const WAITING_MAX = 10_000;

interface Pending {
  frame: CallFrame;
  due: number;
  sent: boolean;
  attempt: number;
  /** Whether an earlier try may have taken effect. */
  doubt: boolean;
  /** Not before this time. */
  hold: number;
  resolve(result: unknown): void;
  reject(error: AbideError): void;
}

/** The calls that have no answer yet. */
export class Calls {
  private readonly pending = new Map<number, Pending>();
  private readonly mark = unguessable();
  private flying = 0;

  constructor(private readonly link: Link) {}

  /** Makes a call; what comes of it. */
  make(frame: CallFrame, options: CallOptions, timeoutMs: number): Promise<unknown> {
    const { key = `${this.mark}-${frame.n}`, signal } = options;
    if (key !== false) frame.key = key;
    return new Promise((resolve, reject) => {
      if (this.link.status === "closed") return reject(this.link.error ?? closed());
      if (this.pending.size >= WAITING_MAX) {
        return reject(new AbideError("overloaded", `${WAITING_MAX} calls wait already; it was not sent`, { retryable: true }));
      }
      const limit = this.link.limits?.frame_bytes ?? Infinity;
      if (JSON.stringify(frame).length > limit) {
        return reject(new AbideError("too_large", `the call has more than ${limit} bytes; it was not sent`));
      }
      if (signal?.aborted) return reject(aborted(false));
      const giveUp = (error: (sent: boolean) => AbideError) => {
        const call = this.pending.get(frame.n);
        if (!call) return;
        if (call.sent) this.link.send({ type: "cancel", n: frame.n });
        call.reject(error(call.sent || call.doubt));
      };
      const onAbort = () => giveUp(aborted);
      const timer = setTimeout(() => giveUp((sent) => late(timeoutMs, sent, this.link.error)), timeoutMs);
      const done = <T>(end: (value: T) => void) => (value: T) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        const call = this.pending.get(frame.n);
        if (call?.sent) this.flying -= 1;
        this.pending.delete(frame.n);
        end(value);
        this.pump();
      };
      signal?.addEventListener("abort", onAbort);
      const due = Date.now() + timeoutMs;
      this.pending.set(frame.n, { frame, due, sent: false, attempt: 0, doubt: false, hold: 0, resolve: done(resolve), reject: done(reject) });
      this.pump();
    });
  }

  /** Sends what waits, as much as the node takes at a time. */
  pump(): void {
    if (!this.link.ready) return;
    const now = Date.now();
    const most = this.link.limits?.calls ?? Infinity;
    for (const call of this.pending.values()) {
      if (this.flying >= most) return;
      if (call.sent || call.hold > now) continue;
      call.sent = true;
      this.flying += 1;
      this.link.send({ ...call.frame, timeout_ms: Math.max(1, call.due - now) });
    }
  }

  /** The connection is gone: calls with a key wait for the next one, others cannot be known. */
  lost(): void {
    for (const call of [...this.pending.values()]) {
      if (!call.sent) continue;
      if (call.frame.key === undefined) {
        const detail = "the connection broke before the answer; the call may have taken effect";
        call.reject(new AbideError("unavailable", detail, { maybeApplied: true }));
      } else {
        call.doubt = true;
        this.wait(call, 0);
      }
    }
  }

  /** There will be no connection any more. */
  end(error: AbideError): void {
    for (const call of [...this.pending.values()]) {
      call.reject(new AbideError(error.code, error.message, { ...error, maybeApplied: call.sent || call.doubt }));
    }
  }

  /** The answer to a call; `false` if there is no such call. */
  answer(n: number, result: unknown): boolean {
    const call = this.pending.get(n);
    call?.resolve(result);
    return call !== undefined;
  }

  /** A call failed: it is made again if it has a key and the node says that this may help. */
  fail(n: number, frame: ErrorFrame): boolean {
    const call = this.pending.get(n);
    if (!call) return false;
    call.doubt ||= frame.maybe_applied ?? false;
    // What the handler itself refuses was asked for its key before: no earlier try took effect.
    const proven = frame.code === "rejected" && !frame.maybe_applied && call.frame.key !== undefined;
    const error = fault({ ...frame, maybe_applied: call.doubt && !proven });
    const pause = Math.max(frame.retry_after_ms ?? 0, Math.min(5000, 100 * 2 ** call.attempt));
    if (error.retryable && error.code !== "deadline" && call.frame.key !== undefined && Date.now() + pause < call.due) {
      this.wait(call, pause);
      setTimeout(() => this.pump(), pause);
    } else {
      call.reject(error);
    }
    return true;
  }

  private wait(call: Pending, pauseMs: number): void {
    call.sent = false;
    call.attempt += 1;
    call.hold = pauseMs && Date.now() + pauseMs;
    this.flying -= 1;
  }
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

function aborted(sent: boolean): AbideError {
  return new AbideError("deadline", "the call was given up", { maybeApplied: sent });
}

function late(ms: number, sent: boolean, why: AbideError | undefined): AbideError {
  const detail = `no answer within ${ms} ms${why ? `: ${why.message}` : ""}`;
  return new AbideError("deadline", detail, { retryable: true, maybeApplied: sent });
}

function unguessable(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(36).padStart(2, "0")).join("");
}
