import type { Db } from "@abide/client";
import { useStatus } from "@abide/client/react";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { name } from "./node.ts";

/** Whether there is a connection; quiet while there is. */
export function Connection({ db }: { db: Pick<Db, "status" | "onStatus"> }) {
  const status = useStatus(db);
  const text = status === "online" ? "connected" : status === "closed" ? "not connected" : "connecting again…";
  return <span class={`connection ${status}`} role="status">{text}</span>;
}

/** Asks for a name before anything else. */
export function Door({ title, say, children, enter }: {
  title: string;
  say: string;
  children?: ComponentChildren;
  enter(name: string): Promise<void> | void;
}) {
  const [error, setError] = useState("");
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const given = String(new FormData(event.currentTarget as HTMLFormElement).get("name")).trim();
    if (!given) return;
    try {
      await enter(given);
      name.set(given);
    } catch (why) {
      setError((why as Error).message);
    }
  };
  return (
    <main class="door">
      <form class="card" onSubmit={submit}>
        <h1>{title}</h1>
        <p class="soft">{say}</p>
        <label>
          Your name
          <input name="name" required maxLength={24} autoFocus autoComplete="nickname" value={name.last()} />
        </label>
        {children}
        <button type="submit">Come in</button>
        <p class="error" role="alert">{error}</p>
      </form>
    </main>
  );
}
