import { AbideError, type Code } from "./error.js";
import { PROTOCOL, type ClientFrame, type ServerFrame, type Welcome } from "./frames.js";
import { later, now, type Timer } from "./timer.js";
import type { Options, Status } from "./types.js";

/** What a connection tells the one who holds it. */
export interface Ear {
  /** A connection is there and the node has said welcome. */
  opened(welcome: Welcome): void;
  /** The connection is gone. */
  lost(): void;
  /** A frame came. */
  frame(frame: ServerFrame): void;
  /** The connection came, went, or ended for good. */
  status(status: Status): void;
  /** Whether calls are under way, and, when it is `late`, nothing else has to wait for them. */
  busy(late: boolean): boolean;
  /** The last push that arrived. */
  pushed(): number;
  /** The node refuses this client: there will be no connection. */
  refused(error: AbideError): void;
}

const WELCOME_MS = 10_000;

/** How often a connection that is to be left is looked at while calls are under way, and how long others wait for these. */
const LEAVE_AGAIN_MS = 50;
const LEAVE_WITHIN_MS = 5000;

/** Refusals that asking again does not mend. */
const FINAL: readonly Code[] = [
  "unauthenticated", "denied", "bad_request", "unknown_kind", "unknown_handler", "rejected", "too_large", "unsupported_media",
];

/** One connection, made again whenever it breaks, until it is closed. */
export class Link {
  status: Status = "connecting";
  /** Why there is no connection, if there is none. */
  error: AbideError | undefined;
  limits: Welcome["limits"] | undefined;

  private socket: WebSocket | undefined;
  /** How many attempts were made since a connection lasted. */
  private attempt = 0;
  private since = 0;
  private again: Timer | undefined;
  private pulse: Timer | undefined;
  private leaving = false;
  private welcomed: Welcome | undefined;

  constructor(private readonly options: Options, private readonly ear: Ear) {
    globalThis.addEventListener?.("online", this.hurry);
  }

  /** Connects; called once. */
  start(): void {
    void this.open();
  }

  /** Whether a frame that is sent now goes out on a connection that stays. */
  get ready(): boolean {
    return this.status === "online" && !this.leaving;
  }

  /** Sends, if there is a connection. */
  send(frame: ClientFrame): void {
    this.write(JSON.stringify(frame));
  }

  /** Sends a frame that is text already. */
  write(text: string): void {
    if (this.status === "online") this.socket?.send(text);
  }

  /** Ends it. */
  close(error?: AbideError): void {
    this.error = error;
    globalThis.removeEventListener?.("online", this.hurry);
    this.send({ type: "bye" });
    this.drop();
    clearTimeout(this.again);
    this.tell("closed");
  }

  /** Connects now instead of after the wait. */
  private readonly hurry = (): void => {
    if (this.status === "offline" && this.again) {
      clearTimeout(this.again);
      void this.open();
    }
  };

  private async open(): Promise<void> {
    this.again = undefined;
    this.attempt += 1;
    let socket: WebSocket;
    let token: string | undefined;
    try {
      const { token: given } = this.options;
      token = typeof given === "function" ? await given() : given;
      const Socket = await implementation(this.options);
      if (this.status === "closed") return;
      socket = new Socket(address(this.options.url));
    } catch (cause) {
      this.failed(new AbideError("unavailable", `cannot connect: ${String(cause)}`, { retryable: true }));
      return;
    }
    this.socket = socket;
    this.leaving = false;
    this.expect(WELCOME_MS, "the node does not answer");
    const current = (run: () => void) => () => {
      if (this.socket === socket) run();
    };
    socket.addEventListener("open", current(() => {
      const { client, resume } = this.welcomed ?? {};
      const { session } = this.options;
      socket.send(JSON.stringify({
        type: "hello", proto: PROTOCOL, ...(token && { token }), ...(session && { session }),
        ...(client && resume && { client, resume, pushed: this.ear.pushed() }),
      } satisfies ClientFrame));
    }));
    socket.addEventListener("message", (event) => current(() => this.heard(String(event.data)))());
    socket.addEventListener("close", current(() => this.broken("the connection was closed")));
    socket.addEventListener("error", current(() => this.broken("the node cannot be reached")));
  }

  private heard(text: string): void {
    const frame = JSON.parse(text) as ServerFrame;
    if (this.status !== "online") {
      if (frame.type === "welcome") this.welcome(frame);
      else if (frame.type === "error") this.unwelcome(new AbideError(frame.code, frame.detail, { retryable: frame.retryable }));
      return;
    }
    this.beat();
    if (frame.type === "goaway") this.leave(frame.reconnect_in_ms);
    else if (frame.type !== "pong") this.ear.frame(frame);
  }

  private welcome(welcome: Welcome): void {
    this.since = now();
    this.error = undefined;
    this.welcomed = welcome;
    this.limits = welcome.limits;
    this.status = "online";
    this.beat();
    this.ear.opened(welcome);
    // Whoever was told may have closed it.
    if (this.status === "online") this.ear.status("online");
  }

  /** A refusal that another attempt may mend is no end. */
  private unwelcome(error: AbideError): void {
    const renewable = error.code === "unauthenticated" && typeof this.options.token === "function";
    if (error.code === "denied" && this.welcomed?.resume) {
      // The token is another caller's now: it is a new client.
      this.welcomed = undefined;
      this.drop();
      void this.open();
    } else if (renewable || !FINAL.includes(error.code)) {
      this.drop();
      this.failed(error);
    } else {
      this.close(error);
      this.ear.refused(error);
    }
  }

  /** The node closes soon: nothing new goes there, and the next connection is made when it said, or when it has answered. */
  private leave(inMs: number): void {
    this.leaving = true;
    const by = now() + inMs + LEAVE_WITHIN_MS;
    const go = () => {
      if (this.ear.busy(now() >= by)) {
        this.again = later(LEAVE_AGAIN_MS, go);
      } else {
        this.drop();
        this.lost(stopping());
        void this.open();
      }
    };
    clearTimeout(this.again);
    this.again = later(inMs, go);
  }

  private broken(why: string): void {
    this.drop();
    if (this.leaving) this.lost(stopping());
    else this.failed(new AbideError("unavailable", why, { retryable: true }));
  }

  private failed(error: AbideError): void {
    if (this.status === "closed") return;
    this.lost(error);
    const { minMs, maxMs } = this.backoff;
    const longest = Math.min(maxMs, minMs * 2 ** Math.min(this.attempt, 20));
    // Half of the wait is chance, so that a thousand clients of one node do not come back as one.
    this.again = later(longest * (0.5 + Math.random() / 2), () => void this.open());
  }

  private get backoff(): { minMs: number; maxMs: number } {
    const { minMs = 200, maxMs = 10_000 } = this.options.backoff ?? {};
    return { minMs, maxMs };
  }

  private lost(error: AbideError): void {
    const was = this.status;
    this.error = error;
    this.tell("offline");
    if (was !== "online") return;
    // A node that lets in and breaks off at once is not asked as fast as that goes.
    if (now() - this.since > this.backoff.maxMs) this.attempt = 0;
    this.ear.lost();
  }

  private drop(): void {
    clearTimeout(this.pulse);
    const { socket } = this;
    this.socket = undefined;
    if (socket && socket.readyState < 2) socket.close();
  }

  /** Something came: silence begins anew. After one silence we ask, after another the connection is dead. */
  private beat(): void {
    const silence = Math.max(10, this.options.heartbeatMs ?? 15_000);
    clearTimeout(this.pulse);
    this.pulse = later(silence, () => {
      this.send({ type: "ping" });
      this.expect(silence, "the connection is dead");
    });
  }

  private expect(withinMs: number, orElse: string): void {
    clearTimeout(this.pulse);
    this.pulse = later(withinMs, () => this.broken(orElse));
  }

  private tell(status: Status): void {
    if (this.status === status) return;
    this.status = status;
    this.ear.status(status);
  }
}

function stopping(): AbideError {
  return new AbideError("unavailable", "the node is about to stop", { retryable: true });
}

/** The socket's address below a node's. */
export function address(url?: string): string {
  const base = new URL(url ?? "/", globalThis.location?.href);
  base.protocol = base.protocol.replace("http", "ws");
  base.pathname = `${base.pathname.replace(/\/$/, "")}/v1/socket`;
  base.search = base.hash = "";
  return base.href;
}

async function implementation(options: Options): Promise<typeof WebSocket> {
  const given = options.WebSocket ?? globalThis.WebSocket;
  if (given) return given as typeof WebSocket;
  const name = "ws"; // a bundler for browsers does not follow it
  const { WebSocket: Socket } = await import(/* @vite-ignore */ name).catch(() => {
    throw new Error("this platform has no WebSocket; install the package ws");
  });
  return Socket;
}
