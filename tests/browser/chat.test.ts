import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import { world } from "./world.ts";

const here = world();

async function enter(page: Page, name: string): Promise<void> {
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Come in" }).click();
  await page.getByRole("textbox", { name: "Message" }).waitFor();
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.keyboard.press("Enter");
}

const lines = (page: Page) => page.locator(".lines li:not(.unsent) .text").allTextContents();

test("two tabs talk, see each other and see each other type; a killed server loses nothing", async () => {
  const room = `${here.node.url}/chat/#/kitchen`;
  const ada = await here.eyes.visit(room);
  await here.eyes.picture(ada, "chat-door");
  const bob = await here.eyes.visit(room, { dark: true });
  await enter(ada, "Ada");
  await enter(bob, "Bob");
  await ada.locator('.faces [title="Bob"]').waitFor();
  await say(ada, "Does it work?");
  await bob.getByText("Does it work?").waitFor();
  await say(bob, "It does, and it is still there after a crash.");
  await ada.getByText("It does, and").waitFor();
  await bob.getByRole("textbox", { name: "Message" }).pressSequentially("So kill");
  await ada.getByText("Bob is typing…").waitFor();
  await here.eyes.picture(ada, "chat");
  await here.eyes.picture(bob, "chat-dark");

  await here.node.kill();
  await ada.getByText("connecting again…").waitFor();
  await say(ada, "Said while the server was dead");
  await ada.locator(".unsent").waitFor();
  await here.node.restart();
  await bob.getByText("Said while the server was dead").waitFor();
  await ada.locator(".unsent").waitFor({ state: "detached" });
  await ada.locator('.faces [title="Bob"]').waitFor();
  const said = ["Does it work?", "It does, and it is still there after a crash.", "Said while the server was dead"];
  expect(await lines(ada)).toEqual(said);
  expect(await lines(bob)).toEqual(said);
});

test("rooms are listed as they come to life, and each has its own lines", async () => {
  const page = await here.eyes.visit(`${here.node.url}/chat/?name=Cleo#/garden`);
  await say(page, "roses");
  await page.getByText("roses").waitFor();
  await page.getByLabel("Open another room").fill("cellar");
  await page.keyboard.press("Enter");
  await page.getByText("Nothing was said here yet").waitFor();
  await page.getByRole("link", { name: /garden/ }).click();
  await page.getByText("roses").waitFor();
  await page.getByRole("link", { name: /cellar/ }).waitFor();
});

test("the chat fits a phone", async () => {
  const page = await here.eyes.visit(`${here.node.url}/chat/?name=Dora#/phone`, { phone: true });
  for (const text of ["one", "two", "a somewhat longer line that has to be wrapped on a phone, and is"]) await say(page, text);
  await page.locator(".lines li:not(.unsent)", { hasText: "a somewhat longer" }).waitFor();
  await here.eyes.picture(page, "chat-phone");
});

test("a whisper is heard by one alone", async () => {
  const visit = (name: string) => here.eyes.visit(`${here.node.url}/chat/?name=${name}#/whispers`);
  const [ada, bob, eve] = [await visit("Ada"), await visit("Bob"), await visit("Eve")];
  for (const name of ["Bob", "Eve"]) await ada.locator(`.faces [title="${name}"]`).waitFor();
  await say(ada, "/w Bob just for you");
  await bob.getByText("Ada whispers: just for you").waitFor();
  await say(bob, "aloud");
  await eve.getByText("aloud").waitFor();
  expect(await eve.getByText("just for you").count()).toBe(0);
});

test("whoever closes the tab is in the room no more, and whoever has the same name still speaks", async () => {
  const visit = () => here.eyes.visit(`${here.node.url}/chat/?name=Fay#/parting`);
  const [stays, goes] = [await visit(), await visit()];
  await say(stays, "one of two");
  await goes.getByText("one of two").waitFor();
  await goes.close();
  // It may come back for half a minute.
  const members = async () => {
    const answer = await fetch(`${here.node.url}/v1/objects/ChatRoom/parting/members`, { method: "POST" });
    return ((await answer.json()) as { result: string[] }).result;
  };
  await expect.poll(members, { timeout: 60_000, interval: 200 }).toEqual([]);
  await say(stays, "still here");
  await stays.getByText("still here").waitFor();
  await stays.locator(".unsent").waitFor({ state: "detached" });
  expect(await lines(stays)).toEqual(["one of two", "still here"]);
  expect(await members()).toEqual(["Fay"]);
}, 90_000);

test("what a name may not be is said at the door", async () => {
  const page = await here.eyes.visit(`${here.node.url}/chat/#/kitchen`);
  await page.getByLabel("Your name").evaluate((input) => input.removeAttribute("maxlength"));
  await page.getByLabel("Your name").fill("x".repeat(25));
  await page.getByRole("button", { name: "Come in" }).click();
  await page.getByText("a name has 1 to 24 characters").waitFor();
});
