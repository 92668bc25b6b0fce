/** Every code that a node answers with; `docs/errors/` has a page for each. */
export type Code =
  | "bad_request" | "unauthenticated" | "denied" | "not_found" | "unknown_kind" | "unknown_handler"
  | "rejected" | "conflict" | "too_large" | "unsupported_media" | "overloaded" | "rate_limited"
  | "deadlock" | "unavailable" | "deadline" | "internal";

/** What an error says besides its code and its sentence. */
export interface Fault {
  /** Whether the same request may succeed later. */
  retryable?: boolean | undefined;
  /** Whether the effect may be there all the same. */
  maybeApplied?: boolean | undefined;
  /** How long to wait before trying again, in milliseconds. */
  retryAfterMs?: number | undefined;
  /** The data of the handler's own error. */
  data?: unknown;
}

/** Why a call or a watch failed. */
export class AbideError extends Error {
  /** What kind of failure it is. */
  readonly code: Code;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** Whether the effect may be there all the same. */
  readonly maybeApplied: boolean;
  /** How long to wait before trying again, in milliseconds, where known. */
  readonly retryAfterMs: number | undefined;
  /** The data of the handler's own error, with the code `rejected`. */
  readonly data: unknown;

  constructor(code: Code, message: string, fault: Fault = {}) {
    super(message);
    this.name = "AbideError";
    this.code = code;
    this.retryable = fault.retryable ?? false;
    this.maybeApplied = fault.maybeApplied ?? false;
    this.retryAfterMs = fault.retryAfterMs;
    this.data = fault.data;
  }
}
