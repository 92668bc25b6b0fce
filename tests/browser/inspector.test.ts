import { afterEach, expect, test } from "vitest";
import type { Page } from "playwright-core";

import { Node } from "../harness/node.ts";
import { world } from "./world.ts";

const here = world();

const DEMO = ["alice", "bob", "carol", "dave", "erin"];

let pages: Page[] = [];

async function open(hash: string, look = {}, url = here.node.url): Promise<Page> {
  const page = await here.eyes.visit(`${url}/inspector/${hash}`, look);
  pages.push(page);
  return page;
}

/** Pages go on asking for as long as they are open. */
async function leave(): Promise<void> {
  await Promise.all(pages.map((page) => page.context().close()));
  pages = [];
}

afterEach(leave);

function call(kind: string, id: string, handler: string, args: unknown = {}): Promise<unknown> {
  return here.node.http(`/v1/objects/${kind}/${encodeURIComponent(id)}/${handler}`, args);
}

/** Wallets that pay each other, and some of everything else. */
async function fill(): Promise<void> {
  for (const id of DEMO) await call("Wallet", id, "deposit", { amount: 1000 });
  for (let round = 0; round < 6; round++) {
    for (const [i, from] of DEMO.entries()) {
      await call("Wallet", from, "transfer", { to: DEMO[(i + 1 + (round % 3)) % DEMO.length], amount: 10 });
    }
    await call("Counter", "visits", "increment", { amount: round });
    await call("Counter", "signups", "increment", { amount: 1 });
    await call("Stream", "orders", "append", { events: [{ type: "OrderPlaced", data: { total: 42 } }] });
  }
  await call("RateLimiter", "login", "configure", { limit: 3, window: "30m" });
  await call("RateLimiter", "login", "take");
  await call("Document", "readme", "set", { fields: { title: "Abide", tags: ["state", "rust"], author: { name: "Ada" }, stars: 1 } });
}

test("a cold start says what to do, and does it when asked", async () => {
  const page = await open("");
  await page.getByText("Nobody has called anything in the last minute").waitFor();
  await here.eyes.picture(page, "inspector-cold");
  await page.getByRole("button", { name: "Make these calls for me" }).click();
  await page.getByRole("img", { name: /A graph of \d+ objects/ }).waitFor();
  await page.getByText("The same as a table").click();
  const row = page.getByRole("row", { name: /Wallet alice Wallet bob/ });
  await row.getByRole("link", { name: "Wallet bob" }).click();
  await page.getByRole("heading", { name: "bob" }).waitFor();
  expect(new URL(page.url()).hash).toBe("#/objects/Wallet/bob");
});

test("the graph shows who calls whom, light, dark and on a phone", async () => {
  await fill();
  for (const [name, look] of [["", {}], ["-dark", { dark: true }], ["-phone", { phone: true }]] as const) {
    const page = await open("#/objects?show=graph", look);
    await page.getByRole("img", { name: /A graph of/ }).waitFor();
    await page.locator(".canvas canvas").first().waitFor();
    // Until the nodes have come to rest.
    await page.waitForTimeout(1500);
    await here.eyes.picture(page, `inspector-graph${name}`);
  }
});

test("objects are found by id, by condition and in an order, and each view has a link", async () => {
  const page = await open("#/objects/Wallet");
  await page.getByRole("link", { name: /^alice/ }).waitFor();
  await page.getByLabel("Only objects whose state matches").fill("balance > 100000");
  await page.getByText("Nothing matches").waitFor();
  await page.getByLabel("Only objects whose state matches").fill("balance >");
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Only objects whose state matches").fill("");
  await page.getByLabel("Search Wallet by id").fill("ca");
  await page.getByText("1 object", { exact: true }).waitFor();
  expect(page.url()).toContain("q=ca");
  await here.eyes.picture(page, "inspector-list");
  const linked = await open("#/objects/Wallet?q=bo");
  await linked.getByRole("link", { name: /^bob/ }).waitFor();
  expect(await linked.getByRole("link", { name: /^alice/ }).count()).toBe(0);
  expect(here.eyes.complaints().every((fault) => fault.includes("400"))).toBe(true);
});

test("an object is called through a form, changes live, and is seen as it was", async () => {
  const page = await open("#/objects/Wallet/alice");
  await page.getByRole("button", { name: "transfer", exact: true }).click();
  await page.getByRole("button", { name: "Call transfer" }).click();
  await page.getByText("to is needed").waitFor();
  await page.getByRole("textbox", { name: "to text" }).fill("bob");
  await page.getByLabel("amount").fill("1.5");
  await page.getByText("a whole number").first().waitFor();
  await page.getByLabel("amount").fill("7");
  await page.getByLabel("amount").press("Control+Enter");
  await page.getByText(/transfer answered in/).waitFor();

  await page.getByLabel("amount").fill("100000000");
  await page.getByRole("button", { name: "Call transfer" }).click();
  await page.getByText("rejected", { exact: true }).waitFor();

  const state = page.getByRole("group", { name: "The state" });
  const { result } = (await call("Wallet", "alice", "deposit", { amount: 123_456 })) as { result: number };
  const balance = state.getByText(String(result), { exact: true });
  await balance.waitFor();
  await here.eyes.picture(page, "inspector-object");

  await page.getByRole("slider").focus();
  await page.keyboard.press("Home");
  await page.getByText("as of seq 1", { exact: true }).waitFor();
  await state.getByText("100", { exact: true }).waitFor();
  expect(page.url()).toContain("at=1");
  await here.eyes.picture(page, "inspector-history");
  await page.getByRole("button", { name: "Back to now" }).click();
  await balance.waitFor();
  expect(here.eyes.complaints().every((fault) => fault.includes("422"))).toBe(true);
});

test("what changes while the stream of changes opens is not lost", async () => {
  await call("Counter", "slow-stream", "increment");
  const page = await open("");
  let opened = () => {};
  const opening = new Promise<void>((done) => (opened = done));
  await page.route("**/Counter/slow-stream/changes?*", async (route) => {
    if (route.request().headers()["accept"] === "text/event-stream") {
      await call("Counter", "slow-stream", "increment", { amount: 41 });
      opened();
    }
    await route.continue();
  });
  await page.goto(`${here.node.url}/inspector/#/objects/Counter/slow-stream`);
  await opening;
  await page.getByRole("group", { name: "The state" }).getByText("42", { exact: true }).waitFor();
});

test("alarms, nested forms and whole numbers beyond a browser's reach are shown as they are", async () => {
  const limiter = await open("#/objects/RateLimiter/login", { phone: true });
  await limiter.getByText(/^in \d+ min/).waitFor();
  await here.eyes.picture(limiter, "inspector-object-phone");

  const stream = await open("#/objects/Stream/orders");
  await stream.getByRole("textbox", { name: "type text" }).fill("OrderPaid");
  await stream.getByRole("textbox", { name: "data JSON, optional", exact: true }).fill('{"total": 12345678901234567890}');
  await stream.getByRole("button", { name: "Call append" }).click();
  await stream.getByText(/append answered in/).waitFor();
  await stream.getByRole("button", { name: /^read/ }).click();
  await stream.getByRole("button", { name: "Call read" }).click();
  await stream.getByText("12345678901234567890").first().waitFor();
});

test("an object is deleted only after a question", async () => {
  await call("Counter", "unwanted", "increment");
  const page = await open("#/objects/Counter/unwanted");
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Keep it" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await page.getByText("This object was deleted").waitFor();
  expect(here.eyes.complaints().every((fault) => fault.includes("404"))).toBe(true);
});

test("changes of all objects come in as they happen, are filtered, and stand still when told to", async () => {
  const page = await open("#/changes");
  await page.getByText("Nothing has changed since you came").waitFor();
  await page.getByText(/^Live/).waitFor();
  await fill();
  await page.getByRole("link", { name: /Stream orders/ }).first().waitFor();
  await here.eyes.picture(page, "inspector-changes");
  await page.getByLabel("Only changes with these words").fill("visits increment");
  await page.getByText(/^Live. 6 of \d+ changes match/).waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("p");
  await page.getByText(/^Paused/).waitFor();
  await call("Counter", "visits", "increment");
  await page.getByRole("button", { name: /Go on \(1 new\)/ }).click();
  await page.getByText(/^Live. 7 of/).waitFor();
  const phone = await open("#/changes", { phone: true, dark: true });
  await phone.getByText(/^Live/).waitFor();
  await fill();
  await phone.getByRole("link", { name: /Stream orders/ }).first().waitFor();
  await here.eyes.picture(phone, "inspector-changes-phone");
});

test("metrics become charts", async () => {
  const page = await open("#/metrics");
  await page.getByRole("img", { name: /^Calls: ok \d/ }).waitFor();
  await page.locator(".chart canvas").first().waitFor();
  for (let i = 0; i < 3; i++) await fill();
  await page.getByRole("row", { name: /Wallet.transfer/ }).waitFor();
  await page.getByRole("img", { name: /^Latency of calls: p50 \d/ }).waitFor();
  await here.eyes.picture(page, "inspector-metrics");
  await page.keyboard.press("t");
  await page.keyboard.press("t");
  await page.waitForFunction("document.documentElement.dataset.theme === 'dark'");
  await here.eyes.picture(page, "inspector-metrics-dark");
});

test("the node shows what it is and what its limits are", async () => {
  const page = await open("#/node");
  await page.getByText("calls that wait for one object").waitFor();
  await page.getByText("sqlite", { exact: true }).waitFor();
  await here.eyes.picture(page, "inspector-node");
  const phone = await open("#/node", { phone: true });
  await phone.getByText("sqlite", { exact: true }).waitFor();
  await here.eyes.picture(phone, "inspector-node-phone");
});

test("everything is reached by keyboard, and the keys are explained", async () => {
  const page = await open("#/node");
  await page.getByText("connected", { exact: true }).waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await here.eyes.picture(page, "inspector-help");
  await page.keyboard.press("Escape");
  await page.keyboard.press("1");
  await page.getByLabel("Search all kinds by id").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("ali");
  await page.getByRole("link", { name: /^alice/ }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "alice" }).waitFor();
  await page.keyboard.press("[");
  await page.getByText(/^as of seq/).waitFor();
});

test("ten thousand objects are scrolled through without freezing", async () => {
  const ids = Array.from({ length: 10_000 }, (_, i) => `n${String(i).padStart(5, "0")}`);
  const crowd = await Node.start();
  const increment = (id: string) => crowd.http(`/v1/objects/Counter/${id}/increment`, {});
  for (let at = 0; at < ids.length; at += 200) await Promise.all(ids.slice(at, at + 200).map(increment));
  const page = await open("#/objects/Counter?q=n", {}, crowd.url);
  await page.getByRole("link", { name: /^n00000/ }).waitFor();
  const rows = page.locator(".rows");
  await page.evaluate("window.longest = 0; window.last = performance.now(); (function frame(now) { window.longest = Math.max(window.longest, now - window.last); window.last = now; requestAnimationFrame(frame); })(performance.now())");
  while ((await page.getByText("10,000 objects", { exact: true }).count()) === 0) {
    await rows.evaluate((box) => box.scrollTo(0, box.scrollHeight));
    await page.waitForTimeout(20);
  }
  await rows.evaluate((box) => box.scrollTo(0, box.scrollHeight));
  await page.getByRole("link", { name: /^n09999/ }).waitFor();
  expect(await page.locator(".rows li").count()).toBeLessThan(60);
  expect(await page.evaluate("window.longest")).toBeLessThan(2000);
  await leave();
  await crowd.remove();
  here.eyes.complaints();
}, 180_000);

test("a node that goes away is missed, looked for and found again", async () => {
  const page = await open("#/objects/Counter/visits");
  await page.getByText("connected", { exact: true }).waitFor();
  await here.node.kill();
  await page.getByText("The node does not answer.").waitFor();
  await here.eyes.picture(page, "inspector-away");
  await here.node.restart();
  await page.getByText("connected", { exact: true }).waitFor();
  await call("Counter", "visits", "increment", { amount: 1_000_000 });
  await page.getByRole("group", { name: "The state" }).getByText(/^10000\d\d$/).waitFor();
  await leave();
  here.eyes.complaints();
});
