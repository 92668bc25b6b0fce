/** The types of one kind, as `abide gen ts` writes them. */
export interface KindTypes {
  /** The state that is stored. */
  state: unknown;
  /** The handlers: a function from the named arguments to the answer. */
  handlers: object;
}

/** What is known of kinds without generated types: nothing. */
export type AnyKinds = Record<string, { state: any; handlers: any }>;

/** The methods of `object.call`: the handlers, each with options after its arguments. Without types, anything goes. */
export type Calls<Handlers> = string extends keyof Handlers ? any : {
  [Name in keyof Handlers]: Handlers[Name] extends (...args: infer Args) => infer Result
    ? (...args: [...Args, options?: CallOptions]) => Promise<Awaited<Result>>
    : never;
};

/** How long something is waited for. */
export interface AskOptions {
  /**
   * How long to wait for the answer, in milliseconds, broken connections included: a day at most. What only reads is
   * asked for again where the node does not let it wait as long.
   */
  timeoutMs?: number;
  /** Gives up waiting. What was asked may happen all the same. */
  signal?: AbortSignal;
}

/** How a call is made. */
export interface CallOptions extends AskOptions {
  /**
   * The idempotency key. Without one the client makes one, so that a call that is sent again after a broken
   * connection takes effect once. `false` sends none: the call is then sent once at most, and fails with
   * `unavailable` and `maybeApplied` if the connection breaks before its answer.
   */
  key?: string | false;
}

/** Which state is read. */
export interface GetOptions extends AskOptions {
  /** The state at this seq instead of now, as far as the history is kept. */
  at?: number;
}

/** An object as the node has it. */
export interface Snapshot<State = Record<string, unknown>> {
  /** Its id. */
  id: string;
  /** The seq of the state. */
  seq: number;
  /** The state. */
  state: State;
  /** When the object was created, by the node's clock. */
  createdAt: string;
  /** When it last changed. */
  updatedAt: string;
}

/** Which objects of a kind are looked for. */
export interface Search {
  /** Only ids that begin with this. */
  prefix?: string;
  /** Only objects whose state matches, for example `count > 5 and status = open`. */
  where?: string;
  /** In the order of a field, `count`, or from its greatest value on, `-count`; by id otherwise. */
  order?: string;
  /** Where an earlier page of the same search ended. */
  cursor?: string | null;
  /** At most so many: 100 unless told. */
  limit?: number;
}

/** Some of the objects that were looked for. */
export interface Page<State = Record<string, unknown>> {
  /** The objects, in the order asked for. */
  objects: Snapshot<State>[];
  /** Where the next page begins; `null` if there is nothing more. */
  cursor: string | null;
}

/** Who a node takes a client for. */
export interface Principal {
  /** The caller. */
  subject: string;
  /** The tenant whose objects it has. */
  namespace: string;
}

/** One edit of a collection field. */
export type Operation =
  | { op: "add"; by: number }
  | { op: "include" | "exclude"; value: unknown }
  | { op: "put"; key: string; value: unknown }
  | { op: "delete"; key: string }
  | { op: "insert" | "replace"; at: number; value: unknown }
  | { op: "remove"; at: number }
  | { op: "clear" };

/** A domain event that a handler emitted. */
export interface DomainEvent {
  /** A ULID, or the id its author gave it. */
  id: string;
  /** What happened. */
  type: string;
  /** Its data. */
  data: unknown;
  /** What its author wants to travel with it. */
  metadata?: unknown;
}

/** The durable record of one turn. */
export interface Change<State = Record<string, unknown>> {
  /** Its position in the object's log. */
  seq: number;
  /** When the turn ran, by the node's clock. */
  at: string;
  /** The new values of the fields that changed. */
  patch: Partial<State>;
  /** What was done to collection fields. */
  ops?: Record<string, Operation[]>;
  /** Fields that are gone. */
  removed?: string[];
  /** What the handler emitted. */
  events?: DomainEvent[];
  /** Why it happened. */
  cause: { handler?: string; key?: string; principal?: string };
  /** Whether this change deleted the object. */
  deleted?: boolean;
}

/** What a reader of changes gets: the next change, or the state from which to go on. */
export type Update<State = Record<string, unknown>> =
  | ({ type: "change" } & Change<State>)
  | { type: "reset"; reason: string; seq: number; state: State | null };

/** An ephemeral message to those who watch an object. */
export interface Message {
  /** The client that sent it; `undefined` when the object itself did. */
  from: string | undefined;
  /** What it says. */
  data: unknown;
}

/**
 * Whether there is a connection: `connecting` before the first, `online`, `offline` while one is tried again
 * and again, `closed` for good.
 */
export type Status = "connecting" | "online" | "offline" | "closed";

/** How to connect. */
export interface Options {
  /** The node: `https://host`, `ws://host`, with a path if it is not at the root. In a page: its own origin. */
  url?: string;
  /** A token, or what gives one: it is asked before every connection. */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** The kind of the session object that the node makes for this client: `db.session`. */
  session?: string;
  /** How long a call waits unless it says otherwise, in milliseconds: 30,000. A day at most. */
  timeoutMs?: number;
  /** The shortest and the longest wait before connecting again, in milliseconds: 200 and 10,000. */
  backoff?: { minMs?: number; maxMs?: number };
  /** After how long without a word the connection is asked whether it is there, in milliseconds: 15,000. `Infinity`: never. */
  heartbeatMs?: number;
  /** The WebSocket to use where the platform has none and the package `ws` is not wanted. */
  WebSocket?: unknown;
}
