import { Calls, closed, fault } from "./calls.js";
import { AbideError } from "./error.js";
import type { ErrorFrame, ServerFrame, WatchFrame } from "./frames.js";
import { Link, type Ear } from "./link.js";
import { ObjectHandle } from "./object.js";
import type { AnyKinds, CallOptions, KindTypes, Options, Status } from "./types.js";
import { Watch, type Watcher } from "./watch.js";

/** How long an object is watched on when nobody looks any more, in milliseconds: a page that is drawn anew looks again. */
const LINGER_MS = 1000;

/** A node, as seen from here. Its connection is made again whenever it breaks. */
export class Db<Kinds extends { [Kind in keyof Kinds]: KindTypes } = AnyKinds> {
  /** The id the node gave this client. */
  client: string | undefined;

  private n = 0;
  private readonly link: Link;
  private readonly calls: Calls;
  private readonly watchers = new Map<number, Watcher>();
  private readonly objects = new Map<string, Watch>();
  private readonly pushes = new Set<(data: unknown) => void>();
  private readonly misses = new Set<(count: number) => void>();
  private pushed = 0;
  private readonly statuses = new Set<(status: Status) => void>();

  constructor(private readonly options: Options) {
    this.link = new Link(options, this.ear());
    this.calls = new Calls(this.link);
    this.link.start();
  }

  /** Whether there is a connection. */
  get status(): Status {
    return this.link.status;
  }

  /** Why there is no connection, if there is none. */
  get error(): AbideError | undefined {
    return this.link.error;
  }

  /** The object of this name. */
  object<Kind extends keyof Kinds & string>(kind: Kind, id: string): ObjectHandle<Kinds[Kind]> {
    return new ObjectHandle(this as unknown as Db, kind, id);
  }

  /** Calls a handler by name. */
  call(kind: string, id: string, handler: string, args?: unknown, options: CallOptions = {}): Promise<unknown> {
    const frame = { type: "call" as const, n: ++this.n, kind, id, handler, ...(args !== undefined && { args }) };
    return this.calls.make(frame, options, options.timeoutMs ?? this.options.timeoutMs ?? 30_000);
  }

  /** This client's session object, if it asked for one and the node made it. */
  get session(): ObjectHandle<AnyKinds[string]> | undefined {
    const { session } = this.options;
    return session && this.client ? new ObjectHandle(this as unknown as Db, session, this.client) : undefined;
  }

  /** Calls `listener` for whatever the node pushes to this client. What is returned ends it. */
  onPush(listener: (data: unknown) => void): () => void {
    return member(this.pushes, listener);
  }

  /** Calls `listener` when pushes were lost, because the connection was away for too long. What is returned ends it. */
  onMissed(listener: (count: number) => void): () => void {
    return member(this.misses, listener);
  }

  /** Calls `listener` whenever the connection comes or goes. What is returned ends it. */
  onStatus(listener: (status: Status) => void): () => void {
    return member(this.statuses, listener);
  }

  /** Ends the connection. Calls without an answer fail. */
  close(): void {
    this.calls.end(closed());
    for (const watch of this.objects.values()) clearTimeout(watch.linger);
    for (const watcher of this.watchers.values()) watcher.fail(closed());
    this.watchers.clear();
    this.link.close();
  }

  /** @internal The watch that is shared by all who look at an object; begun if there is none. */
  share(kind: string, id: string, presence = false): Watch {
    const name = JSON.stringify([kind, id]);
    let watch = this.objects.get(name);
    if (!watch) {
      watch = new Watch(kind, id, presence);
      this.objects.set(name, watch);
      this.watch(watch);
    }
    clearTimeout(watch.linger);
    return watch;
  }

  /** @internal The shared watch, if there is one. */
  shared(kind: string, id: string): Watch | undefined {
    return this.objects.get(JSON.stringify([kind, id]));
  }

  /** @internal Somebody looks no longer. */
  release(watch: Watch): void {
    if (watch.users) return;
    clearTimeout(watch.linger);
    watch.linger = setTimeout(() => {
      if (watch.users) return;
      this.objects.delete(JSON.stringify([watch.kind, watch.id]));
      this.unwatch(watch);
    }, LINGER_MS);
    (watch.linger as { unref?: () => void }).unref?.();
  }

  /** @internal Begins a watch. */
  watch(watcher: Watcher): void {
    if (this.status === "closed") return watcher.fail(this.error ?? closed());
    watcher.n = ++this.n;
    this.watchers.set(watcher.n, watcher);
    if (this.link.ready) this.ask(watcher);
  }

  /** @internal Ends a watch. */
  unwatch(watcher: Watcher): void {
    if (this.watchers.delete(watcher.n)) this.link.send({ type: "unwatch", n: watcher.n });
  }

  /** @internal Begins a watch anew, from what it has. */
  rewatch(watcher: Watcher): void {
    this.unwatch(watcher);
    this.watch(watcher);
  }

  /** @internal Sends an ephemeral message. */
  send(kind: string, id: string, data: unknown): void {
    this.link.send({ type: "send", kind, id, data });
  }

  /** @internal Shows others what this client says of itself, once the node has begun to tell who is there. */
  present({ n, mine, greeted }: Watcher): void {
    if (mine !== undefined && greeted) this.link.send({ type: "present", n, data: mine });
  }

  private ear(): Ear {
    return {
      opened: (welcome) => {
        const missed = welcome.missed ?? 0;
        this.pushed = welcome.resumed ? this.pushed + missed : 0;
        this.client = welcome.client;
        if (missed) this.miss(missed);
        for (const watcher of this.watchers.values()) this.ask(watcher);
        this.calls.pump();
      },
      lost: () => this.calls.lost(),
      pushed: () => this.pushed,
      frame: (frame) => this.heard(frame),
      status: (status) => {
        for (const listener of this.statuses) listener(status);
      },
      refused: (error) => {
        this.calls.end(error);
        for (const watcher of this.watchers.values()) watcher.fail(error);
      },
    };
  }

  private heard(frame: ServerFrame): void {
    switch (frame.type) {
      case "result":
        this.calls.answer(frame.n, frame.result);
        break;
      case "error":
        this.failed(frame);
        break;
      case "snapshot":
      case "change":
      case "reset":
      case "broadcast":
      case "presence":
        this.watched(frame);
        break;
      case "push":
        if (frame.p > this.pushed + 1) this.miss(frame.p - this.pushed - 1);
        if (frame.p <= this.pushed) break;
        this.pushed = frame.p;
        for (const listener of this.pushes) listener(frame.data);
        break;
    }
  }

  private watched(frame: WatchFrame): void {
    const watcher = this.watchers.get(frame.n);
    if (watcher && !watcher.take(frame)) this.rewatch(watcher);
    else if (watcher && frame.type === "presence" && !watcher.greeted) {
      watcher.greeted = true;
      this.present(watcher);
    }
  }

  /** A call failed, a watch, or what is shown beside it: what may go well later is asked for again. */
  private failed(frame: ErrorFrame): void {
    const { n, present, retryable } = frame;
    if (n === undefined || (!present && this.calls.fail(n, frame))) return;
    const watcher = this.watchers.get(n);
    if (!watcher) return;
    if (retryable) {
      clearTimeout(watcher.retry);
      watcher.retry = setTimeout(() => {
        if (this.watchers.get(n) !== watcher) return;
        if (present) this.link.send({ type: "present", n, data: watcher.mine ?? null });
        else this.rewatch(watcher);
      }, frame.retry_after_ms ?? 1000);
      (watcher.retry as { unref?: () => void }).unref?.();
    } else if (!present) {
      this.unwatch(watcher);
      watcher.fail(fault(frame));
    }
  }

  private miss(count: number): void {
    for (const listener of this.misses) listener(count);
  }

  private ask(watcher: Watcher): void {
    const { n, kind, id, presence } = watcher;
    const after = watcher.after();
    this.link.send({ type: "watch", n, kind, id, ...(after !== undefined && { after }), ...(presence && { presence }) });
    watcher.greeted = false;
  }
}

function member<T>(all: Set<T>, one: T): () => void {
  all.add(one);
  return () => void all.delete(one);
}
