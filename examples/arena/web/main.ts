import "../../web/shared/theme.css";
import "./arena.css";

import type { Kinds } from "../../web/shared/kinds.ts";
import { name, node, place } from "../../web/shared/node.ts";

/** What the object broadcasts at each tick. */
interface Tick {
  tick: number;
  bodies: Record<string, [number, number]>;
  sparks: [number, number][];
}

const WIDTH = 1000;
const HEIGHT = 600;
const TICK_MS = 50;
/** How often the node hears of a player whose hands rest. */
const SIGN_OF_LIFE_MS = 2000;

document.getElementById("app")!.innerHTML = `
  <main class="arena">
    <header>
      <a href="/" aria-label="Back to the node"><img src="/page/mark.svg" alt="" width="26" height="26"></a>
      <h1>Arena</h1><span class="rate soft" aria-hidden="true"></span><span class="connection" role="status"></span>
    </header>
    <div class="field">
      <canvas aria-label="The arena" tabindex="0"></canvas>
      <form class="card">
        <p>Catch the sparks: twenty win the round.<br><span class="soft">Arrow keys, WASD, or hold the pointer where you want to go.</span></p>
        <label class="soft">Your name <input name="name" required maxlength="24" autocomplete="nickname"></label>
        <button>Play</button>
        <p class="error" role="alert"></p>
      </form>
    </div>
    <ol class="scores" aria-label="Scores"></ol>
    <p class="soft won" role="status"></p>
  </main>`;

const find = <E extends Element>(selector: string) => document.querySelector(selector) as E;
const canvas = find<HTMLCanvasElement>("canvas");
const context = canvas.getContext("2d")!;
const door = find<HTMLFormElement>("form");
const dark = matchMedia("(prefers-color-scheme: dark)");

const db = await node<Kinds>();
const arena = db.object("Arena", place("main"));
const secret = crypto.getRandomValues(new Uint32Array(2)).join("-");
let me: string | undefined;

// The connection

const connection = find(".connection");
const told = () => {
  connection.className = `connection ${db.status}`;
  connection.textContent = db.status === "online" ? "connected" : "connecting again…";
};
db.onStatus(told);
told();

// The ticks: what is drawn lies one tick behind, between the last two, so that everything moves evenly.

let before: Tick | undefined;
let now: Tick | undefined;
let at = 0;
let counted = { tick: 0, time: 0 };
arena.onMessage(({ data }) => {
  const time = performance.now();
  [before, now, at] = [now, data as Tick, time];
  if (time - counted.time > 1000) {
    const rate = ((now.tick - counted.tick) * 1000) / (time - counted.time);
    if (counted.tick && rate > 0) find(".rate").textContent = `${Math.round(rate)} ticks/s`;
    counted = { tick: now.tick, time };
  }
  canvas.dataset["tick"] = String(now.tick);
});

// The players

let hues: Record<string, number> = {};
arena.subscribe((state) => {
  const players = Object.entries(state?.players ?? {}).sort(([, a], [, b]) => b.score - a.score || b.wins - a.wins);
  hues = Object.fromEntries(players.map(([name, player]) => [name, player.hue]));
  find(".scores").replaceChildren(...players.map(([name, player]) => {
    const item = document.createElement("li");
    item.style.setProperty("--hue", String(player.hue));
    item.className = name === me ? "me" : "";
    const [who, score, wins] = [document.createElement("span"), document.createElement("b"), document.createElement("small")];
    who.textContent = name;
    score.textContent = String(player.score);
    wins.textContent = "★".repeat(Math.min(5, player.wins));
    item.append(who, wins, score);
    return item;
  }));
  find(".won").textContent = state?.last_winner ? `${state.last_winner} won the last round` : "";
  if (me && state && !(me in (state.players ?? {}))) void join(me);
});

const refusals = {
  name: "a name has 1 to 24 characters",
  taken: "somebody plays under this name",
  full: "there are 16 players, as many as the arena takes",
};

async function join(given: string): Promise<void> {
  const joined = await arena.call.join({ name: given, secret });
  if ("refused" in joined) throw new Error(refusals[joined.refused]);
  me = given;
  name.set(given);
  door.hidden = true;
  canvas.focus();
}

door.onsubmit = (event) => {
  event.preventDefault();
  const given = String(new FormData(door).get("name")).trim();
  join(given).catch((why: Error) => (find(".error").textContent = why.message));
};
find<HTMLInputElement>("input").value = name.get() || name.last();
addEventListener("pagehide", () => {
  if (me) void arena.call.leave({ name: me, secret }, { key: false }).catch(() => undefined);
});

// Steering: what is not answered is not sent again, since the next word counts more.

const KEYS: Record<string, [number, number]> = {
  ArrowUp: [0, -1], KeyW: [0, -1], ArrowDown: [0, 1], KeyS: [0, 1],
  ArrowLeft: [-1, 0], KeyA: [-1, 0], ArrowRight: [1, 0], KeyD: [1, 0],
};
const held = new Set<string>();
let pointer: [number, number] | undefined;
let said = "";
let saidAt = 0;
let waiting = false;

function wanted(): [number, number] {
  const body = me && now?.bodies[me];
  if (pointer && body) {
    const [x, y] = body;
    const [dx, dy] = [pointer[0] - x, pointer[1] - y];
    const far = Math.hypot(dx, dy);
    return far < 12 ? [0, 0] : [dx / Math.max(far, 80), dy / Math.max(far, 80)];
  }
  return [...held].reduce(([x, y], key) => [x + (KEYS[key]?.[0] ?? 0), y + (KEYS[key]?.[1] ?? 0)], [0, 0]);
}

async function steer(): Promise<void> {
  const [dx, dy] = wanted().map((part) => Math.round(part * 100) / 100) as [number, number];
  const say = `${dx} ${dy}`;
  if (!me || waiting || db.status !== "online" || (say === said && performance.now() - saidAt < SIGN_OF_LIFE_MS)) return;
  [said, saidAt, waiting] = [say, performance.now(), true];
  const there = await arena.call.steer({ name: me, secret, dx, dy }, { key: false, timeoutMs: 2000 }).catch(() => true);
  waiting = false;
  if (!there) await join(me).catch(() => undefined);
}
setInterval(() => void steer(), TICK_MS);

const typing = (event: Event) => event.target instanceof HTMLInputElement;
addEventListener("keydown", (event) => {
  if (typing(event) || !(event.code in KEYS)) return;
  event.preventDefault();
  held.add(event.code);
});
addEventListener("keyup", (event) => held.delete(event.code));
addEventListener("blur", () => held.clear());
const point = (event: PointerEvent) => {
  const box = canvas.getBoundingClientRect();
  pointer = [((event.clientX - box.left) / box.width) * WIDTH, ((event.clientY - box.top) / box.height) * HEIGHT];
};
canvas.onpointerdown = (event) => {
  canvas.setPointerCapture(event.pointerId);
  point(event);
};
canvas.onpointermove = (event) => pointer && point(event);
canvas.onpointerup = canvas.onpointercancel = () => (pointer = undefined);

// Drawing

function draw(time: number): void {
  requestAnimationFrame(draw);
  const sharp = Math.min(2, devicePixelRatio || 1);
  const width = Math.round(canvas.clientWidth * sharp);
  if (canvas.width !== width) [canvas.width, canvas.height] = [width, Math.round((width * HEIGHT) / WIDTH)];
  const scale = canvas.width / WIDTH;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  ground();
  if (!now) return;
  const part = Math.min(1, (time - at) / TICK_MS);
  for (const spark of now.sparks) drawSpark(spark, time);
  for (const [who, to] of Object.entries(now.bodies)) {
    const from = before?.bodies[who] ?? to;
    drawBody(who, from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part);
  }
}

function ground(): void {
  context.fillStyle = dark.matches ? "#141c1a" : "#fbfaf6";
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.fillStyle = dark.matches ? "#24302d" : "#e4e1d7";
  for (let x = 50; x < WIDTH; x += 50) for (let y = 50; y < HEIGHT; y += 50) context.fillRect(x - 1, y - 1, 2, 2);
}

function drawSpark([x, y]: [number, number], time: number): void {
  const size = 8 + Math.sin(time / 260 + x) * 1.6;
  context.save();
  context.translate(x, y);
  context.rotate(time / 900 + y);
  context.shadowColor = context.fillStyle = dark.matches ? "#ffd166" : "#e09f1f";
  context.shadowBlur = 14;
  context.fillRect(-size / 2, -size / 2, size, size);
  context.restore();
}

function drawBody(who: string, x: number, y: number): void {
  const hue = hues[who] ?? 170;
  context.save();
  context.beginPath();
  context.arc(x, y, 22, 0, 2 * Math.PI);
  context.fillStyle = `hsl(${hue} 62% ${dark.matches ? 60 : 45}%)`;
  context.shadowColor = `hsl(${hue} 70% 50% / .5)`;
  context.shadowBlur = who === me ? 24 : 10;
  context.fill();
  context.shadowBlur = 0;
  if (who === me) {
    context.lineWidth = 3;
    context.strokeStyle = dark.matches ? "#fff" : "#1c2422";
    context.stroke();
  }
  context.font = "600 17px system-ui, sans-serif";
  context.textAlign = "center";
  context.fillStyle = dark.matches ? "#e6ebe9" : "#1c2422";
  context.fillText(who, x, y > 60 ? y - 32 : y + 46);
  context.restore();
}
requestAnimationFrame(draw);
