import type { Db } from "./db.js";
import type { AbideError } from "./error.js";
import { member, tell } from "./listeners.js";
import { fit } from "./size.js";
import type { Watch } from "./watch.js";

/** A client that looks at an object, and what it shows of itself. */
export interface Peer {
  /** The client's id. */
  client: string;
  /** What it shows. */
  data: unknown;
}

const NOBODY: readonly Peer[] = [];

/** The most that a client shows. */
const SHOWN_BYTES_MAX = 4096;

/** Who looks at an object, and what they show of themselves. Nothing of it is stored. */
export class Presence {
  private known = NOBODY;
  private shown = NOBODY;

  constructor(private readonly db: Db, private readonly kind: string, private readonly id: string) {}

  /** The others, live while somebody subscribes: a new value whenever it changes. */
  get others(): readonly Peer[] {
    const peers = this.db.shared(this.kind, this.id)?.peers ?? NOBODY;
    if (peers !== this.known) {
      this.known = peers;
      this.shown = peers.filter(({ client }) => client !== this.db.client);
    }
    return this.shown;
  }

  /** Why this client is not shown to the others, if the node refuses it for good. */
  get error(): AbideError | undefined {
    return this.db.shared(this.kind, this.id)?.unshown;
  }

  /**
   * Shows others what this client says of itself, also after connections were lost, until `clear`, `close` or a token
   * of another tenant. Throws `too_large` beyond 4 KiB.
   */
  set(data: unknown): void {
    fit(data, SHOWN_BYTES_MAX);
    const watch = this.watch(false);
    watch.mine = data ?? null;
    watch.unshown = undefined;
    this.db.present(watch);
  }

  /** Shows nothing any more. */
  clear(): void {
    const watch = this.db.shared(this.kind, this.id);
    if (watch?.mine === undefined) return;
    watch.mine = null;
    this.db.present(watch);
    watch.mine = watch.unshown = undefined;
    this.db.release(watch);
  }

  /** Calls `listener` with the others, now and whenever they or `error` change. What is returned ends it. */
  subscribe(listener: (others: readonly Peer[]) => void): () => void {
    const watch = this.watch();
    const look = () => listener(this.others);
    const stop = member(watch.hosts, look);
    tell([look]);
    return () => {
      stop();
      this.db.release(watch);
    };
  }

  /** The watch of the object, one that hears who is there. Who only shows something does not ask again for one that failed. */
  private watch(looks = true): Watch {
    const watch = this.db.share(this.kind, this.id, true, looks);
    if (!watch.presence) {
      watch.presence = true;
      if (watch.asked) this.db.rewatch(watch);
    }
    return watch;
  }
}
