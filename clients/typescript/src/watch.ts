import { apply } from "./apply.js";
import type { AbideError } from "./error.js";
import type { WatchFrame } from "./frames.js";
import { tell } from "./listeners.js";
import type { Peer } from "./presence.js";
import type { Timer } from "./timer.js";
import type { Change, Message, Update } from "./types.js";

type Json = Record<string, unknown>;

/** What takes the frames of one watch. */
export interface Watcher {
  readonly kind: string;
  readonly id: string;
  /** The number of its request on the connection. */
  n: number;
  /** Whether it wants to know who else is there. */
  readonly presence?: boolean;
  /** What others see of this client, if anything. */
  readonly mine?: unknown;
  /** Whether the node was asked for it, on some connection. */
  asked?: boolean;
  /** Whether the node has said who is there since the watch began. */
  greeted?: boolean;
  /** Runs until it is tried again what was refused. */
  retry?: Timer | undefined;
  /** How often it was refused since it last went well. */
  refusals: number;
  /** How often the node did not show this client to others since the watch began. */
  hidden?: number;
  /** The last change it has, from which the node goes on. */
  after(): number | undefined;
  /** Another caller watches on; where it has `moved` into another tenant, an object that is another one. */
  changeCaller(moved: boolean): void;
  /** Takes a frame; `false` if it does not fit what came before, and the watch must begin anew. */
  take(frame: WatchFrame): boolean;
  /** The watch is refused, and is not asked for again before `again`. */
  fail(error: AbideError, again?: number): void;
  /** The node does not show this client to others. */
  hide?(error: AbideError): void;
}

/** What everyone who looks at one object through one client shares: its state as it is known. */
export class Watch implements Watcher {
  n = 0;
  /** The state; `null` when there is no such object, `undefined` while nothing is known. */
  value: Json | null | undefined;
  seq: number | undefined;
  error: AbideError | undefined;
  /** When it may be asked for after it has failed. */
  again = 0;
  linger: Timer | undefined;

  readonly listeners = new Set<() => void>();
  readonly ears = new Set<(message: Message) => void>();

  mine: unknown;
  asked?: boolean;
  greeted?: boolean;
  /** Why others do not see it. */
  unshown: AbideError | undefined;
  refusals = 0;
  /** Whether the state is what an earlier caller has seen. */
  private inherited = false;
  /** Those who are there, by client; a new value whenever it changes. */
  peers: readonly Peer[] = [];
  readonly hosts = new Set<() => void>();

  constructor(readonly kind: string, readonly id: string, public presence: boolean) {}

  get users(): number {
    return this.listeners.size + this.ears.size + this.hosts.size + Number(this.mine !== undefined);
  }

  after(): number | undefined {
    return this.seq;
  }

  changeCaller(moved: boolean): void {
    this.inherited = true;
    if (!moved) return;
    this.forget();
    this.mine = this.unshown = undefined;
    this.peers = [];
    tell(this.listeners);
    tell(this.hosts);
  }

  take(frame: WatchFrame): boolean {
    if (frame.type === "broadcast") {
      tell(this.ears, { from: frame.from, data: frame.data });
      return true;
    }
    if (frame.type === "presence") {
      this.meet(frame.members, frame.whole);
      return true;
    }
    if (frame.type === "change") {
      if (this.seq === undefined || frame.seq <= this.seq) return true;
      if (frame.seq !== this.seq + 1) return false;
      try {
        this.value = apply(this.value ?? null, frame);
      } catch {
        this.seq = undefined;
        return false;
      }
    } else {
      this.value = frame.state;
    }
    this.seq = frame.seq;
    this.refusals = 0;
    this.inherited = false;
    this.error = undefined;
    tell(this.listeners);
    return true;
  }

  fail(error: AbideError, again = 0): void {
    this.error = error;
    this.again = again;
    if (this.inherited && error.code === "denied") this.forget();
    tell(this.listeners);
  }

  hide(error: AbideError): void {
    this.unshown = error;
    tell(this.hosts);
  }

  /** Knows no state any more. */
  forget(): void {
    this.seq = this.value = undefined;
  }

  private meet(members: Record<string, unknown>, whole: boolean | undefined): void {
    const here = new Map(whole ? [] : this.peers.map(({ client, data }) => [client, data]));
    for (const [client, data] of Object.entries(members)) {
      if (data === null) here.delete(client);
      else here.set(client, data);
    }
    this.peers = Array.from(here, ([client, data]) => ({ client, data }));
    tell(this.hosts);
  }
}

/** How many changes wait for a slow reader; what is beyond is asked for again when it has caught up. */
const WAITING_MAX = 1000;

/** One reader of changes. It holds a bounded number of them and reads on where the reader is. */
export class Reader implements Watcher {
  n = 0;
  private queue: Update[] = [];
  private at: number | undefined;
  private waiting: (() => void) | undefined;
  private error: AbideError | undefined;
  private full = false;
  /** Whether what comes next does not go on from what came before. */
  private torn = false;
  refusals = 0;

  constructor(readonly kind: string, readonly id: string, after: number | undefined, private readonly again: () => void) {
    this.at = after;
  }

  after(): number | undefined {
    return this.at;
  }

  changeCaller(moved: boolean): void {
    if (!moved) return;
    this.torn ||= this.at !== undefined;
    this.at = undefined;
    this.queue = [];
    this.full = false;
  }

  take(frame: WatchFrame): boolean {
    if (this.full || frame.type === "broadcast" || frame.type === "presence") return true;
    if (frame.type === "change") {
      if (this.at !== undefined && frame.seq <= this.at) return true;
      if (this.at !== undefined && frame.seq !== this.at + 1) return false;
      const { n: _, type: __, ...change } = frame;
      this.push({ type: "change", ...(change as Change) });
    } else if (frame.type === "reset" || this.torn || this.at !== undefined) {
      const reason = frame.type === "reset" ? frame.reason : "trimmed";
      this.push({ type: "reset", reason, seq: frame.seq, state: frame.state });
    }
    this.at = frame.seq;
    this.torn = false;
    this.refusals = 0;
    this.full = this.queue.length >= WAITING_MAX;
    return true;
  }

  fail(error: AbideError): void {
    this.error = error;
    this.wake();
  }

  /** Lets whoever waits look again. */
  readonly wake = (): void => this.waiting?.();

  /** The next update; throws when the watch is refused, ends when it is aborted. */
  async next(signal: AbortSignal | undefined): Promise<Update | undefined> {
    for (;;) {
      const update = this.queue.shift();
      if (update) {
        if (this.full && !this.queue.length) {
          this.full = false;
          this.again();
        }
        return update;
      }
      if (this.error) throw this.error;
      if (signal?.aborted) return undefined;
      await new Promise<void>((wake) => (this.waiting = wake));
    }
  }

  private push(update: Update): void {
    this.queue.push(update);
    this.wake();
  }
}
