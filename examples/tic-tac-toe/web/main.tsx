import "../../web/shared/theme.css";
import "./game.css";

import type { AbideError } from "@abide/client";
import { useObject, usePresence } from "@abide/client/react";
import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";

import type { Kinds, TicTacToeState } from "../../web/shared/kinds.ts";
import { name, node, place } from "../../web/shared/node.ts";
import { Connection, Door } from "../../web/shared/parts.tsx";

const TURN_MS = 30_000;
/** For how long somebody who sat down alone is taken to be there. */
const PATIENCE_MS = 10 * 60_000;
const CELLS = Array.from({ length: 9 }, (_, cell) => cell);

const db = await node<Kinds>();
const table = place("") || start();
const game = db.object("TicTacToe", table);

/** A table of one's own, in the address: who gets the address plays on the other side. */
function start(): string {
  const fresh = Math.random().toString(36).slice(2, 8);
  history.replaceState(null, "", `#/${fresh}`);
  return fresh;
}
addEventListener("hashchange", () => location.reload());

function App() {
  const [me, setMe] = useState(name.get());
  const state = useObject(game);
  const others = usePresence(game);
  const [error, setError] = useState("");
  useEffect(() => {
    if (!me) return;
    game.presence.set({ name: me });
    // Full: whoever is not seated looks on.
    game.call.sit({ name: me }).catch((why: AbideError) => why.code === "rejected" || setError(why.message));
  }, [me]);
  if (!me) {
    return <Door title="Tic-tac-toe" say="Two take seats, everybody else may look on. A turn has 30 seconds." enter={setMe} />;
  }
  const mark = state?.x === me ? "X" : state?.o === me ? "O" : undefined;
  const attempt = (call: Promise<unknown>) => {
    setError("");
    call.catch((why: Error) => setError(why.message));
  };
  const mine = state?.phase === "playing" && state.turn === mark;
  const over = state && ["won", "draw", "timed_out"].includes(state.phase);
  return (
    <main class="table">
      <header>
        <a href="/" aria-label="Back to the node"><img src="/page/mark.svg" alt="" width="26" height="26" /></a>
        <h1>Tic-tac-toe</h1>
        <Connection db={db} />
      </header>
      <div class="seats">
        <Seat mark="X" state={state} me={me} />
        <Seat mark="O" state={state} me={me} />
      </div>
      <Clock key={state?.turn_ends_at} ends={state?.turn_ends_at} />
      <div class={`board ${mine ? "open" : ""}`} role="group" aria-label="Board">
        {CELLS.map((cell) => {
          const set = state?.board[cell];
          return (
            <button
              key={cell}
              type="button"
              class={`cell ${set ?? ""} ${state?.line?.includes(cell) ? "line" : ""}`}
              disabled={!mine || Boolean(set)}
              aria-label={`Cell ${cell + 1}: ${set ?? "free"}`}
              onClick={() => attempt(game.call.play({ name: me, cell }))}
            >
              {set && <Sign of={set} />}
            </button>
          );
        })}
      </div>
      <p class="say" role="status">{sentence(state, mark)}</p>
      <p class="error" role="alert">{error}</p>
      {over && mark && <button type="button" onClick={() => attempt(game.call.again({ name: me }))}>Play again</button>}
      {state?.phase === "waiting" && <Invite />}
      {state?.phase === "waiting" && <Tables />}
      <p class="soft watching">{others.length ? `${others.length} more ${others.length > 1 ? "are" : "is"} at this table` : "nobody else is at this table"}</p>
    </main>
  );
}

function Seat({ mark, state, me }: { mark: "X" | "O"; state: TicTacToeState | null | undefined; me: string }) {
  const who = mark === "X" ? state?.x : state?.o;
  const wins = (mark === "X" ? state?.wins_x : state?.wins_o) ?? 0;
  const turn = state?.phase === "playing" && state.turn === mark;
  return (
    <div class={`seat ${turn ? "turn" : ""}`}>
      <span class={mark}><Sign of={mark} /></span>
      <span class="who">{who ?? "free seat"}{who === me && <small> you</small>}</span>
      <b>{wins}</b>
    </div>
  );
}

/** How much of the turn is left: a bar that runs out. */
function Clock({ ends }: { ends: string | null | undefined }) {
  const left = useMemo(() => (ends ? Math.max(0, Date.parse(ends) - Date.now()) : 0), [ends]);
  return (
    <div class="clock" aria-hidden="true">
      {ends && <i style={{ "--from": Math.min(1, left / TURN_MS), "animation-duration": `${left}ms` }} />}
    </div>
  );
}

function Sign({ of }: { of: "X" | "O" }) {
  return (
    <svg viewBox="0 0 24 24" aria-hidden="true">
      {of === "X" ? <path d="M5 5l14 14M19 5L5 19" /> : <circle cx="12" cy="12" r="7.5" />}
    </svg>
  );
}

function Invite() {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(location.href.replace(location.search, ""));
    setCopied(true);
  };
  return (
    <p class="invite">
      <span class="soft">Send this page's address to somebody, or open it in another tab.</span>
      <button type="button" class="quiet" onClick={copy}>{copied ? "Copied" : "Copy the address"}</button>
    </p>
  );
}

/** Other tables where somebody waits: to sit down there instead. */
function Tables() {
  const [waiting, setWaiting] = useState<{ id: string; who: string }[]>([]);
  useEffect(() => {
    const found = db.find("TicTacToe", { where: "phase = waiting" });
    found.then(({ objects }) => {
      const others = objects.filter(({ id, updatedAt }) => id !== table && Date.now() - Date.parse(updatedAt) < PATIENCE_MS);
      setWaiting(others.map(({ id, state }) => ({ id, who: state.x ?? state.o ?? "" })).filter(({ who }) => who).slice(0, 6));
    }, () => undefined); // no list, then: the table here is good, too
  }, []);
  if (!waiting.length) return null;
  return (
    <nav class="tables" aria-label="Other tables">
      <span class="soft">Or sit down with</span>
      {waiting.map(({ id, who }) => <a key={id} href={`#/${encodeURIComponent(id)}`}>{who}</a>)}
    </nav>
  );
}

function sentence(state: TicTacToeState | null | undefined, mark: "X" | "O" | undefined): string {
  if (!state || state.phase === "waiting") return "Waiting for somebody to sit down";
  const winner = state.winner === "X" ? state.x : state.o;
  if (state.phase === "draw") return "A draw";
  if (state.phase === "timed_out") return state.winner === mark ? "Time is up: you win" : `Time is up: ${winner} wins`;
  if (state.phase === "won") return state.winner === mark ? "You win" : `${winner} wins`;
  if (state.turn === mark) return "Your turn";
  return `${state.turn === "X" ? state.x : state.o} is thinking`;
}

render(<App />, document.getElementById("app") as HTMLElement);
