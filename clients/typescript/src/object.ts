import type { AbideError } from "./error.js";
import type { Db } from "./db.js";
import { member, tell } from "./listeners.js";
import { Presence } from "./presence.js";
import type { AskOptions, CallOptions, Calls, GetOptions, KindTypes, Message, Snapshot, Update } from "./types.js";
import { Reader, type Watch } from "./watch.js";

/** Where to begin reading changes. */
export interface ChangesOptions {
  /** After this seq, or with what comes from now on: `"now"`, unless told. */
  after?: number | "now";
  /** Ends the reading. */
  signal?: AbortSignal;
}

/** One object by name: it is there as soon as it is named, and naming it asks nobody. */
export class ObjectHandle<T extends KindTypes = KindTypes> {
  /** The handlers: `object.call.increment({ amount: 5 })`. */
  readonly call: Calls<T["handlers"]>;
  private seen: Watch | undefined;
  private moves: number;
  private present: Presence | undefined;

  constructor(private readonly db: Db, readonly kind: string, readonly id: string) {
    this.moves = db.moves;
    this.call = new Proxy({}, {
      get: (_, handler) => (args?: unknown, options?: CallOptions) =>
        typeof handler === "string" ? db.call(kind, id, handler, args, options) : undefined,
    }) as Calls<T["handlers"]>;
  }

  /**
   * The state as last heard of, live while somebody subscribes: `undefined` while nothing is known, `null` when
   * there is no such object. It is a new value after every change, and never changes itself.
   */
  get value(): T["state"] | null | undefined {
    return this.watch()?.value as T["state"] | null | undefined;
  }

  /** The seq of `value`. */
  get seq(): number | undefined {
    return this.watch()?.seq;
  }

  /** Why the object cannot be watched, if it cannot. */
  get error(): AbideError | undefined {
    return this.watch()?.error;
  }

  /** Whether `value` is live: `idle` without subscribers, `loading` before the first, `stale` without a connection. */
  get status(): "idle" | "loading" | "live" | "stale" | "failed" {
    const watch = this.watch();
    if (!watch?.users) return "idle";
    if (watch.error) return "failed";
    if (watch.seq === undefined) return "loading";
    return this.db.status === "online" ? "live" : "stale";
  }

  /**
   * Calls `listener` with the state now, if it is known, after every change, and when the object cannot be watched:
   * `error` then says why. What is returned ends it.
   */
  subscribe(listener: (value: T["state"] | null | undefined) => void): () => void {
    const watch = this.db.share(this.kind, this.id);
    this.seen = watch;
    const look = () => listener(watch.value as T["state"] | null | undefined);
    const stop = member(watch.listeners, look);
    if (watch.value !== undefined || watch.error) tell([look]);
    return () => {
      stop();
      this.db.release(watch);
    };
  }

  /** The state as it is watched, as soon as it is known. */
  load(): Promise<T["state"] | null> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const { value, error } = this;
        if (value === undefined && !error) return;
        queueMicrotask(() => stop());
        if (error) reject(error);
        else resolve(value as T["state"] | null);
      };
      const stop = this.subscribe(look);
    });
  }

  /** The durable state, read by the node: now, or `at` an earlier seq. `null` where there is no such object. */
  get(options?: GetOptions): Promise<Snapshot<T["state"]> | null> {
    return this.db.get(this.kind, this.id, options);
  }

  /**
   * Deletes the object: state, alarms and history. Whether it was there. It is sent once at most: sent again after a
   * broken connection, it could end what somebody has created since.
   */
  delete(options?: AskOptions): Promise<boolean> {
    return this.db.delete(this.kind, this.id, options);
  }

  /** Every change, one after the other without a gap, or a `reset` that says so. */
  async *changes({ after = "now", signal }: ChangesOptions = {}): AsyncGenerator<Update<T["state"]>, void, void> {
    const reader: Reader = new Reader(this.kind, this.id, after === "now" ? undefined : after, () => this.db.rewatch(reader));
    this.db.watch(reader);
    signal?.addEventListener("abort", reader.wake);
    try {
      for (;;) {
        const update = await reader.next(signal);
        if (!update) return;
        yield update as Update<T["state"]>;
      }
    } finally {
      signal?.removeEventListener("abort", reader.wake);
      this.db.unwatch(reader);
    }
  }

  /** Sends an ephemeral message to everyone who watches the object. It is lost where there is no connection. Throws `too_large` beyond 64 KiB. */
  send(data: unknown): void {
    this.db.send(this.kind, this.id, data);
  }

  /** Calls `listener` for each ephemeral message, from the object or from another client. */
  onMessage(listener: (message: Message) => void): () => void {
    const watch = this.db.share(this.kind, this.id);
    this.seen = watch;
    const stop = member(watch.ears, listener);
    return () => {
      stop();
      this.db.release(watch);
    };
  }

  /** Who else is looking at the object, and what they say of themselves. */
  get presence(): Presence {
    return (this.present ??= new Presence(this.db, this.kind, this.id));
  }

  private watch(): Watch | undefined {
    const { moves } = this.db;
    // What was seen of another tenant's object of this name is nothing of this one.
    if (this.moves !== moves) this.seen = undefined;
    this.moves = moves;
    return (this.seen = this.db.shared(this.kind, this.id) ?? this.seen);
  }
}
