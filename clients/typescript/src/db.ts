import { Calls, closed, fault } from "./calls.js";
import { AbideError } from "./error.js";
import type { ErrorFrame, Request, ServerFrame, WatchFrame } from "./frames.js";
import { Link, type Ear } from "./link.js";
import { member, tell } from "./listeners.js";
import { ObjectHandle } from "./object.js";
import { fit } from "./size.js";
import { idly, now, pause } from "./timer.js";
import type {
  AnyKinds, AskOptions, CallOptions, GetOptions, KindTypes, Options, Page, Principal, Search, Snapshot, Status,
} from "./types.js";
import { Watch, type Watcher } from "./watch.js";

/** How long an object is watched on when nobody looks any more, in milliseconds: a page that is drawn anew looks again. */
const LINGER_MS = 1000;

/** The most that an ephemeral message has. */
const MESSAGE_BYTES_MAX = 64 * 1024;

/** An object as the node writes it. The state is left out where the caller may not see it. */
interface Whole {
  id: string;
  seq: number;
  state?: unknown;
  created_at: string;
  updated_at: string;
}

/** A node, as seen from here. Its connection is made again whenever it breaks. */
export class Db<Kinds extends { [Kind in keyof Kinds]: KindTypes } = AnyKinds> {
  /** The id the node gave this client. */
  client: string | undefined;
  /** Who the node takes this client for; `undefined` before the first connection, and where it asks nobody. */
  principal: Principal | undefined;

  private n = 0;
  private readonly link: Link;
  private readonly calls: Calls;
  private readonly watchers = new Map<number, Watcher>();
  private readonly objects = new Map<string, Watch>();
  private readonly pushes = new Set<(data: unknown) => void>();
  private readonly misses = new Set<(count: number) => void>();
  private pushed = 0;
  /** @internal How often it came into another tenant, whose objects of the same names are others. */
  moves = 0;
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
    return this.request({ type: "call", n: ++this.n, kind, id, handler, ...(args !== undefined && { args }) }, options);
  }

  /** Reads an object's durable state: now, or `at` an earlier seq. `null` where there is no such object. */
  async get<Kind extends keyof Kinds & string>(
    kind: Kind,
    id: string,
    { at, ...options }: GetOptions = {},
  ): Promise<Snapshot<Kinds[Kind]["state"]> | null> {
    const found = await this.request({ type: "get", n: ++this.n, kind, id, ...(at !== undefined && { at }) }, options);
    return found as Whole | null && snapshot(found as Whole);
  }

  /** Deletes an object; whether it was there. It is sent once at most. */
  async delete(kind: keyof Kinds & string, id: string, options?: AskOptions): Promise<boolean> {
    const done = await this.request({ type: "delete", n: ++this.n, kind, id }, options);
    return (done as { deleted: boolean }).deleted;
  }

  /** Lists objects of a kind, a page at a time. The state of one that the caller may list but not watch is `null`. */
  async list<Kind extends keyof Kinds & string>(
    kind: Kind,
    search: Search = {},
    options?: AskOptions,
  ): Promise<Page<Kinds[Kind]["state"] | null>> {
    const found = await this.request({ ...search, type: "list", n: ++this.n, kind }, options);
    const { objects, cursor } = found as { objects: Whole[]; cursor: string | null };
    return { objects: objects.map(snapshot), cursor };
  }

  /** Looks for objects of a kind, a page at a time. It is `denied` if there is one that the caller may not watch. */
  async find<Kind extends keyof Kinds & string>(
    kind: Kind,
    search?: Search,
    options?: AskOptions,
  ): Promise<Page<Kinds[Kind]["state"]>> {
    const page = await this.list(kind, search, options);
    const hidden = page.objects.find(({ state }) => state === null);
    if (hidden) throw new AbideError("denied", `this caller may list ${kind}, but not watch "${hidden.id}"`);
    return page as Page<Kinds[Kind]["state"]>;
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
    for (const watch of this.objects.values()) clearTimeout(watch.linger);
    this.link.close();
    this.end(closed());
  }

  /**
   * @internal The watch that is shared by all who look at an object. It is begun if there is none; for who `looks`
   * also where it has failed.
   */
  share(kind: string, id: string, presence = false, looks = true): Watch {
    const name = JSON.stringify([kind, id]);
    let watch = this.objects.get(name);
    if (!watch) {
      watch = new Watch(kind, id, presence);
      this.objects.set(name, watch);
      this.watch(watch);
    } else if (looks && watch.error && this.status !== "closed") {
      // It may do better now.
      watch.forget();
      watch.error = undefined;
      this.watch(watch, watch.again - now());
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
    watch.linger = idly(LINGER_MS, () => {
      if (watch.users) return;
      this.objects.delete(JSON.stringify([watch.kind, watch.id]));
      this.unwatch(watch);
    });
  }

  /** @internal Begins a watch, now or later. */
  watch(watcher: Watcher, inMs = 0): void {
    if (this.status === "closed") return watcher.fail(this.error ?? closed());
    watcher.n = ++this.n;
    this.watchers.set(watcher.n, watcher);
    if (inMs > 0) watcher.retry = idly(inMs, () => this.ask(watcher));
    else this.ask(watcher);
  }

  /** @internal Ends a watch. */
  unwatch(watcher: Watcher): void {
    rest(watcher);
    if (this.watchers.delete(watcher.n) && watcher.asked) this.link.send({ type: "unwatch", n: watcher.n });
    watcher.asked = watcher.greeted = false;
  }

  /** @internal Begins a watch anew, from what it has. */
  rewatch(watcher: Watcher): void {
    this.unwatch(watcher);
    this.watch(watcher);
  }

  /** @internal Sends an ephemeral message. */
  send(kind: string, id: string, data: unknown): void {
    fit(data, MESSAGE_BYTES_MAX);
    this.link.send({ type: "send", kind, id, data });
  }

  /** @internal Shows others what this client says of itself, once the node has begun to tell who is there. */
  present({ n, mine, greeted }: Watcher): void {
    if (mine !== undefined && greeted) this.link.send({ type: "present", n, data: mine });
  }

  private ear(): Ear {
    return {
      opened: (welcome) => {
        const { client, principal, missed = 0 } = welcome;
        const { client: known, principal: was } = this;
        this.pushed = welcome.resumed ? this.pushed + missed : 0;
        this.client = client;
        this.principal = principal;
        const moved = principal?.namespace !== was?.namespace;
        if (known && (moved || principal?.subject !== was?.subject)) this.changeCaller(moved);
        for (const watcher of this.watchers.values()) this.ask(watcher);
        this.calls.pump();
        if (missed) tell(this.misses, missed);
      },
      lost: () => this.calls.lost(),
      busy: (late) => this.calls.busy && !(late && (this.calls.waiting || this.waiting)),
      pushed: () => this.pushed,
      frame: (frame) => this.heard(frame),
      status: (status) => tell(this.statuses, status),
      refused: (error) => this.end(error),
    };
  }

  /** Another caller is at work from here on; where it has `moved`, nothing that is known is about its objects. */
  private changeCaller(moved: boolean): void {
    this.calls.changeCaller();
    this.moves += Number(moved);
    for (const watcher of new Set<Watcher>([...this.objects.values(), ...this.watchers.values()])) watcher.changeCaller(moved);
    for (const watch of this.objects.values()) this.release(watch);
  }

  /** There will be no connection any more. */
  private end(error: AbideError): void {
    this.calls.end(error);
    const watchers = [...this.watchers.values()];
    this.watchers.clear();
    for (const watcher of watchers) {
      rest(watcher);
      watcher.fail(error);
    }
  }

  private request(frame: Request, options: CallOptions = {}): Promise<unknown> {
    return this.calls.make(frame, options, this.options.timeoutMs);
  }

  /** Whether a watch waits to be asked for. */
  private get waiting(): boolean {
    return [...this.watchers.values()].some(({ asked }) => !asked);
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
        this.push(frame.p, frame.data);
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
    if (!present) {
      this.unwatch(watcher);
      const wait = pause(watcher.refusals++, frame.retry_after_ms);
      if (retryable) this.watch(watcher, wait);
      else watcher.fail(fault(frame), now() + wait);
    } else if (!retryable) {
      watcher.hide?.(fault(frame));
    } else {
      watcher.hidden = (watcher.hidden ?? 0) + 1;
      watcher.retry ??= idly(pause(watcher.hidden - 1, frame.retry_after_ms), () => {
        watcher.retry = undefined;
        if (watcher.greeted) this.link.send({ type: "present", n, data: watcher.mine ?? null });
      });
    }
  }

  private push(p: number, data: unknown): void {
    if (p <= this.pushed) return;
    const missed = p - this.pushed - 1;
    this.pushed = p;
    if (missed) tell(this.misses, missed);
    tell(this.pushes, data);
  }

  /** Asks for a watch, if there is a connection; else it is asked for when there is one. */
  private ask(watcher: Watcher): void {
    if (!this.link.ready) return;
    rest(watcher);
    const { n, kind, id, presence } = watcher;
    const after = watcher.after();
    this.link.send({ type: "watch", n, kind, id, ...(after !== undefined && { after }), ...(presence && { presence }) });
    watcher.asked = true;
    watcher.greeted = false;
    watcher.hidden = 0;
  }
}

/** Tries nothing again. */
function rest(watcher: Watcher): void {
  clearTimeout(watcher.retry);
  watcher.retry = undefined;
}

function snapshot({ id, seq, state = null, created_at: createdAt, updated_at: updatedAt }: Whole): Snapshot<any> {
  return { id, seq, state, createdAt, updatedAt };
}
