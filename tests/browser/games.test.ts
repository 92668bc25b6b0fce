import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import { connect } from "../../clients/typescript/src/index.ts";
import { world } from "./world.ts";

/** What the arena broadcasts. */
interface Tick {
  bodies: Record<string, [number, number]>;
  sparks: [number, number][];
}

const here = world();

test("tic-tac-toe is played by two, and a third looks on", async () => {
  const table = (name: string) => `${here.node.url}/tic-tac-toe/?name=${name}#/browser`;
  const ada = await here.eyes.visit(table("Ada"));
  await ada.getByText("Waiting for somebody").waitFor();
  await here.eyes.picture(ada, "tic-tac-toe-waiting");
  const bob = await here.eyes.visit(table("Bob"), { dark: true, phone: true });
  const eve = await here.eyes.visit(table("Eve"));
  const play = async (page: Page, cell: number) => {
    await page.getByText("Your turn").waitFor();
    await page.getByLabel(`Cell ${cell}: free`).click();
  };
  await play(ada, 5);
  await play(bob, 1);
  await play(ada, 3);
  await here.eyes.picture(bob, "tic-tac-toe-phone-dark");
  await play(bob, 7);
  await play(ada, 4);
  await play(bob, 2);
  await play(ada, 6);
  await ada.getByText("You win").waitFor();
  await bob.getByText("Ada wins").waitFor();
  await eve.getByText("Ada wins").waitFor();
  await here.eyes.picture(ada, "tic-tac-toe");
  await bob.getByRole("button", { name: "Play again" }).click();
  await play(bob, 9);
  expect(await eve.getByRole("button", { name: "Play again" }).count()).toBe(0);
});

test("who looks for a table finds those where somebody waits", async () => {
  const ada = await here.eyes.visit(`${here.node.url}/tic-tac-toe/?name=Ada#/waiting-here`);
  await ada.getByText("Waiting for somebody").waitFor();
  const bob = await here.eyes.visit(`${here.node.url}/tic-tac-toe/?name=Bob`, { phone: true });
  const others = bob.getByRole("navigation", { name: "Other tables" });
  await others.getByText("Ada").waitFor();
  await here.eyes.picture(bob, "tic-tac-toe-tables");
  await others.getByText("Ada").click();
  await ada.getByText("Your turn").waitFor();
  expect(bob.url()).toContain("#/waiting-here");
});

test("two move in the arena, each sees the other, and sparks are caught", async () => {
  const arena = `${here.node.url}/arena/#/browser`;
  const [ada, bob] = [await here.eyes.visit(arena), await here.eyes.visit(arena, { dark: true, phone: true })];
  for (const [page, name] of [[ada, "Ada"], [bob, "Bob"]] as const) {
    await page.getByLabel("Your name").fill(name);
    await page.getByRole("button", { name: "Play" }).click();
  }
  await ada.locator(".scores", { hasText: "Bob" }).waitFor();
  // Hold the pointer over a spark until it is caught, then over the next.
  const box = (await ada.locator("canvas").boundingBox())!;
  await ada.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await ada.mouse.down();
  const db = await connect(here.node.url);
  let ticks = 0;
  await new Promise<void>((done) => db.object("Arena", "browser").onMessage(async ({ data }) => {
    const { bodies, sparks } = data as Tick;
    const [x, y] = bodies["Ada"]!;
    const [to] = sparks.toSorted((a, b) => Math.hypot(a[0] - x, a[1] - y) - Math.hypot(b[0] - x, b[1] - y));
    if ((ticks += 1) % 4 === 0) await ada.mouse.move(box.x + (to![0] / 1000) * box.width, box.y + (to![1] / 600) * box.height);
    if (ticks % 10 === 0 && (await score(ada)) >= 3) done();
  }));
  db.close();
  await bob.locator(".scores li", { hasText: /Ada[3-9]/ }).waitFor();
  expect(ticks).toBeGreaterThan(20);
  await here.eyes.picture(ada, "arena");
  await here.eyes.picture(bob, "arena-phone-dark");
});

async function score(page: Page): Promise<number> {
  return Number(await page.locator(".scores .me b").textContent());
}
