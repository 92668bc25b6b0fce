import "../../web/shared/theme.css";
import "./chat.css";

import { AbideError } from "@abide/client";
import { useObject, usePresence } from "@abide/client/react";
import { render } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { hue, name, node, place } from "../../web/shared/node.ts";
import { Connection, Door } from "../../web/shared/parts.tsx";
import type { Kinds } from "../../web/shared/kinds.ts";

type Line = NonNullable<Kinds["ChatRoom"]["state"]["lines"]>[number];

const LOBBY = "main";
const FIRST_ROOM = "hall";
const TYPING_MS = 3000;

const db = await node<Kinds>({ session: "ChatSession" });

/** What this client shows beside the room it looks at. */
interface Shown {
  name: string;
  typing?: boolean;
}

/** What was said to one client alone. */
interface Whisper {
  from: string;
  to?: string;
  text: string;
}

function App() {
  const [me, setMe] = useState(name.get());
  const [room, setRoom] = useState(place(FIRST_ROOM));
  useEffect(() => {
    const moved = () => setRoom(place(FIRST_ROOM));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  const enter = async (given: string) => {
    await db.object("ChatRoom", room).call.join({ name: given });
    setMe(given);
  };
  useEffect(() => {
    // The session leaves the rooms of a tab that is closed. A new connection may be a new client, with a session that
    // knows neither the name nor the room yet.
    const introduce = async () => {
      if (!me || db.status !== "online") return;
      await db.session?.call.enter({ name: me });
      await db.session?.call.join({ room });
    };
    const introduced = () => void introduce().catch(() => undefined);
    introduced();
    return db.onStatus(introduced);
  }, [me, room]);
  if (!me) return <Door title="Chat" say="Rooms whose lines survive whatever happens to the server." enter={enter} />;
  return (
    <div class="chat">
      <Rooms at={room} />
      <Room key={room} room={room} me={me} />
    </div>
  );
}

function Rooms({ at }: { at: string }) {
  const lobby = useObject(useMemo(() => db.object("ChatLobby", LOBBY), []));
  const listed = Object.entries(lobby?.rooms ?? {}).sort(([, a], [, b]) => b.active_at.localeCompare(a.active_at));
  if (!listed.some(([name]) => name === at)) listed.unshift([at, { lines: 0, members: 0, active_at: "" }]);
  const open = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const wanted = String(new FormData(form).get("room")).trim();
    if (wanted) location.hash = `/${encodeURIComponent(wanted)}`;
    form.reset();
  };
  return (
    <nav aria-label="Rooms">
      <header><a class="home" href="/" aria-label="Back to the node"><img src="/page/mark.svg" alt="" width="26" height="26" /></a><h1>Chat</h1></header>
      <ul>
        {listed.map(([name, { lines }]) => (
          <li key={name}>
            <a href={`#/${encodeURIComponent(name)}`} aria-current={name === at ? "page" : undefined}>
              <span># {name}</span><small>{lines || ""}</small>
            </a>
          </li>
        ))}
      </ul>
      <form onSubmit={open}><input name="room" maxLength={40} placeholder="another room…" aria-label="Open another room" /></form>
    </nav>
  );
}

function Room({ room, me }: { room: string; me: string }) {
  const object = useMemo(() => db.object("ChatRoom", room), [room]);
  const state = useObject(object);
  const others = usePresence(object);
  const [unsent, setUnsent] = useState<string[]>([]);
  const [error, setError] = useState("");
  const [whispers, setWhispers] = useState<Whisper[]>([]);
  useEffect(() => db.onPush((data) => {
    const { whisper } = data as { whisper?: Whisper };
    if (whisper) setWhispers((all) => [...all.slice(-9), whisper]);
  }), []);
  useEffect(() => {
    object.presence.set({ name: me } satisfies Shown);
    object.call.join({ name: me }).catch((why: Error) => setError(why.message));
    return () => object.presence.clear();
  }, [object, me]);

  const shown = others.map(({ client, data }) => ({ client, ...(data as Shown) }));
  const typing = [...new Set(shown.filter((other) => other.typing).map((other) => other.name))];
  const say = (text: string) => {
    setError("");
    const [, to, secret] = /^\/w (\S+) (.+)$/.exec(text) ?? [];
    if (to && secret) return whisper(to, secret);
    setUnsent((all) => [...all, text]);
    const done = () => setUnsent((all) => all.filter((_, at) => at !== all.indexOf(text)));
    const again = async (why: unknown) => {
      // A session of this name has ended meanwhile, and left the room.
      if (!(why instanceof AbideError) || why.data !== "not_joined") throw why;
      await object.call.join({ name: me });
      return object.call.say({ name: me, text });
    };
    object.call.say({ name: me, text }).catch(again).then(done, (why: Error) => {
      done();
      setError(why.message);
    });
  };
  const whisper = (to: string, text: string) => {
    const clients = shown.filter((other) => other.name === to);
    if (!clients.length) return setError(`${to} is not here`);
    setWhispers((all) => [...all.slice(-9), { from: me, to, text }]);
    for (const { client } of clients) {
      db.session?.call.whisper({ client, text }, { key: false }).catch((why: Error) => setError(why.message));
    }
  };
  return (
    <main>
      <header>
        <h2># {room}</h2>
        <ul class="faces" aria-label="Here now">
          {[{ client: "me", name: me }, ...shown].map((one) => <li key={one.client}><Face of={one.name} /></li>)}
        </ul>
        <Connection db={db} />
      </header>
      <Lines lines={state?.lines} me={me} unsent={unsent} whispers={whispers} />
      <footer>
        <p class="typing soft" aria-live="polite">{sentence(typing)}</p>
        <p class="error" role="alert">{error}</p>
        <Composer room={room} say={say} typing={(is) => object.presence.set({ name: me, typing: is } satisfies Shown)} />
      </footer>
    </main>
  );
}

function Lines({ lines, me, unsent, whispers }: {
  lines: Line[] | undefined;
  me: string;
  unsent: string[];
  whispers: Whisper[];
}) {
  const list = useRef<HTMLOListElement>(null);
  const last = lines?.at(-1)?.n;
  useLayoutEffect(() => {
    list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [last, unsent.length, whispers]);
  return (
    <ol class="lines" ref={list} aria-label="Messages" aria-live="polite">
      {lines && !lines.length && <li class="empty soft">Nothing was said here yet. Open this page in a second tab and say hello.</li>}
      {lines?.map((line, at) => {
        const goesOn = lines[at - 1]?.from === line.from;
        return (
          <li key={line.n} class={`${line.from === me ? "mine" : ""} ${goesOn ? "more" : ""}`}>
            {line.from !== me && (goesOn ? <span class="face none" /> : <Face of={line.from} />)}
            <div>
              {!goesOn && <p class="by"><b>{line.from}</b> <time dateTime={line.at}>{clock(line.at)}</time></p>}
              <p class="text">{line.text}</p>
            </div>
          </li>
        );
      })}
      {whispers.map(({ from, to, text }, at) => (
        <li key={`whisper${at}`} class="whisper"><p class="soft">{to ? `to ${to}` : `${from} whispers`}: <i>{text}</i></p></li>
      ))}
      {unsent.map((text, at) => <li key={`unsent${at}`} class="mine unsent"><div><p class="text">{text}</p></div></li>)}
    </ol>
  );
}

function Composer({ room, say, typing }: { room: string; say(text: string): void; typing(is: boolean): void }) {
  const stop = useRef<ReturnType<typeof setTimeout>>(undefined);
  const quiet = () => {
    clearTimeout(stop.current);
    if (stop.current !== undefined) typing(false);
    stop.current = undefined;
  };
  const input = () => {
    if (stop.current === undefined) typing(true);
    clearTimeout(stop.current);
    stop.current = setTimeout(quiet, TYPING_MS);
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const text = String(new FormData(form).get("text")).trim();
    form.reset();
    quiet();
    if (text) say(text);
  };
  return (
    <form class="composer" onSubmit={submit}>
      <input name="text" maxLength={1000} autoComplete="off" autoFocus placeholder={`Say something in # ${room}`} aria-label="Message" onInput={input} />
      <button type="submit">Send</button>
    </form>
  );
}

function Face({ of }: { of: string }) {
  return <span class="face" title={of} style={{ "--hue": hue(of) }}>{of.slice(0, 1).toUpperCase()}</span>;
}

function sentence(names: string[]): string {
  if (names.length > 2) return "Several people are typing…";
  return names.length ? `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} typing…` : "";
}

function clock(at: string): string {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

render(<App />, document.getElementById("app") as HTMLElement);
