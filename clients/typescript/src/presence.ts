import type { Db } from "./db.js";
import type { Watch } from "./watch.js";

/** A client that looks at an object, and what it shows of itself. */
export interface Peer {
  /** The client's id. */
  client: string;
  /** What it shows. */
  data: unknown;
}

const NOBODY: readonly Peer[] = [];

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

  /** Shows others what this client says of itself, also after connections were lost, until `clear` or `close`. */
  set(data: unknown): void {
    const watch = this.watch();
    watch.mine = data ?? null;
    this.db.present(watch);
  }

  /** Shows nothing any more. */
  clear(): void {
    const watch = this.db.shared(this.kind, this.id);
    if (watch?.mine === undefined) return;
    watch.mine = null;
    this.db.present(watch);
    watch.mine = undefined;
    this.db.release(watch);
  }

  /** Calls `listener` with the others, now and whenever they change. What is returned ends it. */
  subscribe(listener: (others: readonly Peer[]) => void): () => void {
    const watch = this.watch();
    const tell = () => listener(this.others);
    watch.hosts.add(tell);
    tell();
    return () => {
      watch.hosts.delete(tell);
      this.db.release(watch);
    };
  }

  /** The watch of the object, one that hears who is there. */
  private watch(): Watch {
    const watch = this.db.share(this.kind, this.id, true);
    if (!watch.presence) {
      watch.presence = true;
      this.db.rewatch(watch);
    }
    return watch;
  }
}
