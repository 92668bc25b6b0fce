/** The frame around the views: navigation, whether the node answers, token, help. */
import { useEffect, useRef, useState } from "preact/hooks";
import { link, look, nextLook, refused, token, useToken } from "./data/link";
import { route, VIEWS, type View } from "./data/route";
import { nextTheme, theme } from "./data/theme";
import { Help } from "./parts/help";
import { Icon } from "./parts/icons";
import { useNow } from "./parts/use";
import { Changes } from "./views/changes";
import { Metrics } from "./views/metrics";
import { NodeView } from "./views/node";
import { isTyping } from "./views/object";
import { Objects } from "./views/objects";

const TITLES: Record<View, string> = { objects: "Objects", changes: "Changes", metrics: "Metrics", node: "Node" };

export function App() {
  const { view, kind, id } = route.value;
  const help = useRef<HTMLDialogElement>(null);
  const key = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    document.title = `${id ?? kind ?? TITLES[view]} · Abide inspector`;
  }, [view, kind, id]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => shortcut(event, help.current);
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  const no = refused.value;
  useEffect(() => {
    if (no && key.current && !key.current.open) key.current.showModal();
  }, [no]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        document.getElementById("main")?.focus();
      }}>
        To the content
      </a>
      <header class="top">
        <a class="brand" href="/" title="To the node's front page">
          <img src="./mark.svg" width="26" height="26" alt="" />
          <span>
            Abide <span class="brand-more">inspector</span>
          </span>
        </a>
        <nav class="tabs" aria-label="Views">
          {VIEWS.map((name, i) => (
            <a key={name} href={`#/${name}`} aria-current={view === name ? "page" : undefined} title={`${TITLES[name]} (${i + 1})`}>
              <Icon name={name} size={20} />
              <span>{TITLES[name]}</span>
            </a>
          ))}
        </nav>
        <div class="top-tools">
          <Status />
          <button type="button" class="bare" aria-label={token.value ? "Token: one is set" : "Token: none is set"} title="Token" onClick={() => key.current?.showModal()}>
            <Icon name="key" />
          </button>
          <button type="button" class="bare" aria-label={`Colours: ${theme.value}`} title={`Colours: ${theme.value} (t)`} onClick={nextTheme}>
            <Icon name="theme" />
          </button>
          <button type="button" class="bare" aria-label="Help and shortcuts" title="Help (?)" onClick={() => help.current?.showModal()}>
            <Icon name="help" />
          </button>
        </div>
      </header>
      <Away />
      <main id="main" tabIndex={-1} class={`view view-${view}`}>
        {view === "objects" && <Objects />}
        {view === "changes" && <Changes />}
        {view === "metrics" && <Metrics />}
        {view === "node" && <NodeView />}
      </main>
      <Help dialog={help} />
      <TokenDialog dialog={key} />
    </>
  );
}

function shortcut(event: KeyboardEvent, help: HTMLDialogElement | null): void {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && isTyping(event.target)) return (event.target as HTMLElement).blur();
  if (isTyping(event.target)) return;
  const view = VIEWS[Number(event.key) - 1];
  if (view) location.hash = `#/${view}`;
  else if (event.key === "?") help?.showModal();
  else if (event.key === "t") nextTheme();
  else if (event.key === "/") {
    const field = document.querySelector<HTMLInputElement>("input[data-search]");
    if (!field) return;
    event.preventDefault();
    field.focus();
    field.select();
  }
}

function Status() {
  const words = { connecting: "connecting", up: "connected", down: "away" } as const;
  return (
    <span class={`status is-${link.value}`} role="status">
      <span class="status-text">{words[link.value]}</span>
    </span>
  );
}

/** The node is away: says so, and looks for it. */
function Away() {
  const now = useNow(500);
  if (link.value !== "down") return null;
  const seconds = Math.max(0, Math.ceil((nextLook.value - now) / 1000));
  return (
    <div class="away" role="alert">
      <p>
        <strong>The node does not answer.</strong> What you see may be old. {seconds > 0 ? `Looking again in ${seconds} s.` : "Looking …"} Is it still running?
      </p>
      <button type="button" class="quiet small" onClick={() => void look()}>
        Look now
      </button>
    </div>
  );
}

/** Why a token is asked for, with the one there is, if any. */
function why(status: number): string {
  if (status === 401) return "This node wants to know who is asking.";
  return token.value ? "This token may not look inside the node: it needs the role admin." : "To look inside this node takes a token with the role admin.";
}

/** Asks for a token. It is kept until the tab is closed. */
function TokenDialog({ dialog }: { dialog: { current: HTMLDialogElement | null } }) {
  const [text, type] = useState(token.value);
  const no = refused.value;
  const use = (value: string) => {
    dialog.current?.close();
    type(value);
    useToken(value);
  };
  return (
    <dialog ref={dialog} aria-labelledby="token-title">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          use(text.trim());
        }}
      >
        <h2 id="token-title">Token</h2>
        {no ? (
          <p class="bad" role="alert">
            {why(no.status)} <span class="soft">{no.detail}</span>
          </p>
        ) : (
          <p class="soft">A node with authentication shows itself to the role admin. A node without needs no token.</p>
        )}
        <div class="field">
          <label for="token">
            <span class="field-name">token</span> <span class="field-hint">a JWT or an API key; kept until this tab is closed</span>
          </label>
          <input id="token" type="password" autocomplete="off" value={text} onInput={(event) => type(event.currentTarget.value)} />
        </div>
        <div class="dialog-foot">
          <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          {token.value && (
            <button type="button" class="quiet" onClick={() => use("")}>
              Forget it
            </button>
          )}
          <button type="submit">Use it</button>
        </div>
      </form>
    </dialog>
  );
}
