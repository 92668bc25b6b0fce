// The live part of the page: one counter, called with fetch and watched with EventSource.
"use strict";

const counter = "/v1/objects/Counter/visits";
const shown = 50;
const before = 8;
const by = (id) => document.getElementById(id);

let seq = 0;

async function answer(path, options) {
  const response = await fetch(path, options);
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail || response.statusText);
  return body;
}

async function call(handler, args) {
  by("error").textContent = "";
  try {
    await answer(`${counter}/${handler}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(args),
    });
  } catch (error) {
    const lost = error instanceof TypeError;
    by("error").textContent = lost ? "The node does not answer. Is it still running?" : error.message;
  }
}

function count(value) {
  by("count").textContent = new Intl.NumberFormat("en").format(value ?? 0);
}

function line(text) {
  const log = by("changes");
  log.querySelector(".empty")?.remove();
  const item = document.createElement("li");
  item.textContent = text;
  log.prepend(item);
  while (log.children.length > shown) log.lastChild.remove();
}

function changed(change) {
  if (change.seq <= seq) return;
  seq = change.seq;
  if (change.deleted) count(0);
  else if ("count" in change.patch) count(change.patch.count);
  const patch = change.deleted ? "deleted" : JSON.stringify({ count: change.patch.count });
  line(`${change.at.slice(11, 23)}  ${change.seq}  ${change.cause.handler}  ${patch}`);
}

function connected(is) {
  const link = by("link");
  link.textContent = is ? "connected" : "connecting";
  link.classList.toggle("up", is);
}

// The browser connects again by itself and says which change it saw last; only when it gives up
// (the answer was an error) do we begin anew.
function watch() {
  const events = new EventSource(`${counter}/changes?after=${seq}`);
  events.onopen = () => {
    connected(true);
    by("error").textContent = "";
  };
  events.onerror = () => {
    connected(false);
    if (events.readyState === EventSource.CLOSED) setTimeout(watch, 2000);
  };
  events.addEventListener("change", (event) => changed(JSON.parse(event.data)));
  events.addEventListener("reset", (event) => {
    const reset = JSON.parse(event.data);
    seq = reset.seq;
    count(reset.state?.count);
    line(`reset: the state at ${reset.seq} is ${JSON.stringify(reset.state)}`);
  });
}

async function start() {
  const { head, floor } = await answer(`${counter}/changes?limit=1`);
  seq = Math.max(floor, head - before);
  const { objects } = await answer("/v1/objects/Counter?prefix=visits&limit=1");
  count(objects.find((object) => object.id === "visits")?.state.count);
  watch();
}

async function status() {
  const { kinds } = await answer("/v1/kinds");
  const names = kinds.map((kind) => kind.kind).join(", ");
  by("status").textContent = `Running at ${location.host} with ${kinds.length} kinds: ${names}.`;
  by("status").classList.add("up");
}

// One line for each command, so that a long one is wrapped as one.
function copyable(block) {
  const code = block.querySelector("code");
  const text = code.textContent.replaceAll("http://127.0.0.1:7070", location.origin);
  const lines = text.split("\n").map((command) => {
    const line = document.createElement("span");
    line.className = "command";
    line.textContent = command;
    return line;
  });
  code.replaceChildren(...lines);
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.onclick = async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  };
  block.append(button);
}

document.querySelectorAll("pre").forEach(copyable);
for (const button of document.querySelectorAll("button[data-handler]")) {
  const { handler, amount } = button.dataset;
  button.onclick = () => call(handler, amount ? { amount: Number(amount) } : {});
}
const failed = (error) => (by("error").textContent = error.message);
status().catch(failed);
start().catch(failed);
