/** Calls any handler of an object, with a form made from its schema. */
import { useEffect, useState } from "preact/hooks";
import { call, Problem, type Reply } from "../data/api";
import { parse, write, type Json } from "../data/json";
import { duration } from "../data/text";
import type { Handler, Kind } from "../data/types";
import { Card, Trouble } from "./bits";
import { collect, Fields, type Entry } from "./form";
import { Tree } from "./tree";

type Outcome = { handler: string; took: number; reply?: Reply; problem?: Problem };

export function CallCard({ kind, id, onDone }: { kind: Kind; id: string; onDone(): void }) {
  const [name, choose] = useState(kind.handlers[0]?.name ?? "");
  const handler = kind.handlers.find((one) => one.name === name) ?? kind.handlers[0];
  if (!handler) {
    return (
      <Card title="Call">
        <p class="soft">This kind has no handlers.</p>
      </Card>
    );
  }
  return (
    <Card title="Call">
      <div class="choices" role="group" aria-label="Handlers">
        {kind.handlers.map((one) => (
          <button key={one.name} type="button" class="choice" aria-pressed={one.name === handler.name} onClick={() => choose(one.name)} title={one.description}>
            {one.name}
            {one.reads && <span class="badge">reads</span>}
          </button>
        ))}
      </div>
      <CallForm key={`${id}/${handler.name}`} kind={kind.kind} id={id} handler={handler} onDone={onDone} />
    </Card>
  );
}

function CallForm({ kind, id, handler, onDone }: { kind: string; id: string; handler: Handler; onDone(): void }) {
  const [entries, set] = useState<Record<string, Entry>>({});
  const [asJson, toggle] = useState(false);
  const [text, type] = useState("{}");
  const [key, setKey] = useState("");
  const [timeout, setTimeout] = useState("");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const [outcome, show] = useState<Outcome | null>(null);
  useEffect(() => setWrong(""), [entries, text]);

  const args = (): { args: Json } | { wrong: string } => {
    if (!asJson) return collect(handler.arguments, entries);
    try {
      return { args: parse(text.trim() || "{}") };
    } catch (error) {
      return { wrong: `this is not JSON: ${(error as Error).message}` };
    }
  };
  const run = async () => {
    const ready = args();
    if ("wrong" in ready) return setWrong(ready.wrong);
    setBusy(true);
    const began = performance.now();
    const took = () => performance.now() - began;
    try {
      const reply = await call(kind, id, handler.name, ready.args, { key, timeout });
      show({ handler: handler.name, took: took(), reply });
    } catch (error) {
      if (error instanceof Problem) show({ handler: handler.name, took: took(), problem: error });
    }
    setBusy(false);
    onDone();
  };
  const parameters = Object.keys((handler.arguments["properties"] as object) ?? {}).length;
  return (
    <form
      class="call"
      onSubmit={(event) => {
        event.preventDefault();
        void run();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void run();
      }}
    >
      {handler.description && <p class="soft">{handler.description}</p>}
      {asJson ? (
        <div class="field">
          <label for="call-json">
            <span class="field-name">arguments</span> <span class="field-hint">JSON</span>
          </label>
          <textarea id="call-json" rows={5} spellcheck={false} value={text} onInput={(event) => type(event.currentTarget.value)} />
        </div>
      ) : (
        <Fields schema={handler.arguments} entries={entries} set={set} />
      )}
      <details class="more">
        <summary>Key, time{parameters > 0 ? ", JSON" : ""}</summary>
        <div class="field">
          <label for="call-key">
            <span class="field-name">idempotency key</span> <span class="field-hint">the same key takes effect once</span>
          </label>
          <input id="call-key" value={key} autocomplete="off" maxLength={256} onInput={(event) => setKey(event.currentTarget.value)} />
        </div>
        <div class="field">
          <label for="call-timeout">
            <span class="field-name">time to wait</span> <span class="field-hint">30s if nothing is said</span>
          </label>
          <input id="call-timeout" value={timeout} placeholder="2s" autocomplete="off" onInput={(event) => setTimeout(event.currentTarget.value)} />
        </div>
        {parameters > 0 && (
          <label class="tick">
            <input
              type="checkbox"
              checked={asJson}
              onChange={(event) => {
                const ready = collect(handler.arguments, entries);
                if (event.currentTarget.checked && "args" in ready) type(write(ready.args, 2));
                toggle(event.currentTarget.checked);
              }}
            />
            write the arguments as JSON
          </label>
        )}
      </details>
      {wrong && (
        <p class="field-wrong" role="alert">
          {wrong}
        </p>
      )}
      <div class="call-foot">
        <button type="submit" disabled={busy}>
          {busy ? "Calling …" : `Call ${handler.name}`}
        </button>
      </div>
      <div aria-live="polite">{outcome && <Answer outcome={outcome} />}</div>
    </form>
  );
}

function Answer({ outcome: { handler, took, reply, problem } }: { outcome: Outcome }) {
  if (problem) {
    return (
      <>
        <Trouble problem={problem} />
        {problem.data !== undefined && problem.data !== null && <Tree value={problem.data} label="What the handler said" />}
      </>
    );
  }
  return (
    <div class="answer">
      <p class="answer-head">
        <strong>{handler}</strong> answered in {duration(Math.max(took, 1))}, seq {reply!.seq}
      </p>
      {reply!.result === null ? <p class="soft">nothing (null)</p> : <Tree value={reply!.result} label="The answer" />}
    </div>
  );
}
