import { expect, test } from "vitest";

import { world } from "./world.ts";

const here = world();

test("the landing page counts, in two tabs at once, and leads to what can be played", async () => {
  const [one, two] = [await here.eyes.visit(here.node.url), await here.eyes.visit(here.node.url, { dark: true })];
  await one.getByText("connected", { exact: true }).waitFor();
  await one.getByRole("button", { name: "+10" }).click();
  await two.locator("#count", { hasText: /^10$/ }).waitFor();
  await here.eyes.picture(one, "landing");
  await here.eyes.picture(two, "landing-dark");
  for (const path of ["/chat/", "/tic-tac-toe/", "/arena/"]) {
    expect(await one.locator(`a[href="${path}"]`).count(), path).toBeGreaterThan(0);
    expect((await one.request.get(here.node.url + path)).status(), path).toBe(200);
  }
});

test("the landing page fits a phone", async () => {
  const page = await here.eyes.visit(here.node.url, { phone: true });
  await page.locator("#status.up").waitFor();
  await here.eyes.picture(page, "landing-phone");
});
