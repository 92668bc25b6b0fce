// Written by `abide gen ts` from the kinds of a node. Do not edit it: write it again.
// Integers are numbers here: beyond 9,007,199,254,740,991 they lose digits.

/** The arguments of a handler that has none. */
export type NoArguments = Record<string, never>;

/** Players chase sparks, 20 ticks a second. It lives in memory alone, and rests when nobody plays. */
export interface ArenaState {
  players: Record<string, { hue: number; score: number; wins: number }>;
  last_winner: string | null;
}

/** The handlers of Arena. */
export interface ArenaHandlers {
  /** Comes in, or comes back: `secret` is what the player made up, and later steers with. */
  join: (args: { name: string; secret: string }) => { hue: number } | { refused: "name" | "taken" | "full" };
  /** Steers: `dx` and `dy` from -1 to 1. Whether the player is in the arena. */
  steer: (args: { name: string; secret: string; dx: number; dy: number }) => boolean;
  /** Leaves. */
  leave: (args: { name: string; secret: string }) => null;
}

/** The list of rooms, live for everyone who watches it. */
export interface ChatLobbyState {
  rooms: Record<string, { lines: number; members: number; active_at: string }>;
}

/** The handlers of ChatLobby. */
export interface ChatLobbyHandlers {
  /** A room tells how it is. It is sent as a durable message, in the commit of what happened there. */
  note: (args: { room: string; lines: number; members: number }) => null;
  /** The rooms, the liveliest first. */
  rooms: (args?: NoArguments) => Array<[string, { lines: number; members: number; active_at: string }]>;
}

/** A room: lines come in one order for everyone, and what was answered is kept. */
export interface ChatRoomState {
  members: Array<string>;
  lines: Array<{ n: number; at: string; from: string; text: string }>;
  said: number;
}

/** The handlers of ChatRoom. */
export interface ChatRoomHandlers {
  /** Comes in. Where callers are known, it is the caller's own name that counts. */
  join: (args: { name: string }) => string;
  /** Leaves. */
  leave: (args: { name: string }) => null;
  /** Says something; the number of the line. */
  say: (args: { name: string; text: string }) => number;
  /** The last lines, oldest first. */
  messages: (args?: { limit?: number }) => Array<{ n: number; at: string; from: string; text: string }>;
  /** Who has joined. */
  members: (args?: NoArguments) => Array<string>;
}

/** A client's own object: it speaks in rooms under one name, whispers, and leaves its rooms when the client has left. It lives as long as the client is connected. */
export interface ChatSessionState {
  name: string;
  rooms: Array<string>;
}

/** The handlers of ChatSession. */
export interface ChatSessionHandlers {
  /** Says who the client is; the name as it counts. */
  enter: (args: { name: string }) => string;
  /** Goes into a room; its last lines. */
  join: (args: { room: string }) => Array<{ n: number; at: string; from: string; text: string }>;
  /** Leaves a room. */
  leave: (args: { room: string }) => null;
  /** Says something in a room; the number of the line. */
  say: (args: { room: string; text: string }) => number;
  /** Says something to one client alone: it is pushed there, and kept nowhere. */
  whisper: (args: { client: string; text: string }) => null;
}

/** A match between two: moves come one after the other, and an alarm ends a turn that takes too long. */
export interface TicTacToeState {
  x: string | null;
  o: string | null;
  board: Array<"X" | "O" | null>;
  turn: "X" | "O";
  phase: "waiting" | "playing" | "won" | "draw" | "timed_out";
  winner: "X" | "O" | null;
  line: Array<number> | null;
  /** a timestamp such as 2026-01-02T03:04:05.678Z */
  turn_ends_at: string | null;
  wins_x: number;
  wins_o: number;
  draws: number;
}

/** The handlers of TicTacToe. */
export interface TicTacToeHandlers {
  /** Takes a free seat, or comes back to one's own. */
  sit: (args: { name: string }) => "X" | "O";
  /** Leaves one's seat; a match that was on is lost. */
  leave: (args: { name: string }) => null;
  /** Sets a mark: cells are counted from 0, row by row. */
  play: (args: { name: string; cell: number }) => null;
  /** Plays again; who did not begin before begins now. */
  again: (args: { name: string }) => null;
  /** Where the match is. */
  phase: (args?: NoArguments) => "waiting" | "playing" | "won" | "draw" | "timed_out";
}

/** Every kind: `connect<Kinds>(url)`. */
export interface Kinds {
  Arena: { state: ArenaState; handlers: ArenaHandlers };
  ChatLobby: { state: ChatLobbyState; handlers: ChatLobbyHandlers };
  ChatRoom: { state: ChatRoomState; handlers: ChatRoomHandlers };
  ChatSession: { state: ChatSessionState; handlers: ChatSessionHandlers };
  TicTacToe: { state: TicTacToeState; handlers: TicTacToeHandlers };
}
