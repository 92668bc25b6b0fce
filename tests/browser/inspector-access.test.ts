import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { Eyes } from "../harness/browser.ts";
import { ABIDE, Node, run } from "../harness/node.ts";

let folder: string;
let node: Node;
let eyes: Eyes;
let user: string;
let admin: string;

async function key(subject: string, role: string): Promise<string> {
  const made = await run(ABIDE, ["--json", "keys", "new", "--file", join(folder, "keys.toml"), "--subject", subject, "--role", role]);
  return (JSON.parse(made) as { key: string }).key;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "abide-access-"));
  user = await key("ada", "user");
  admin = await key("grace", "admin");
  const config = join(folder, "abide.toml");
  await writeFile(config, `[auth]\nkeys = ${JSON.stringify(join(folder, "keys.toml"))}\n`);
  [node, eyes] = await Promise.all([Node.start("--config", config), Eyes.open()]);
});

afterAll(async () => {
  await Promise.all([node?.remove(), eyes?.close()]);
  await rm(folder, { recursive: true, force: true });
});

test("a page that the node does not let in says so, and is not empty", async () => {
  for (const path of ["chat", "tic-tac-toe", "arena"]) {
    const page = await eyes.visit(`${node.url}/${path}/`);
    await page.getByRole("alert").getByText("The node does not let this page in").waitFor();
    await page.getByText("anonymous = true").waitFor();
  }
  eyes.complaints();
});

test("a node that asks who is calling is looked into with an administrator's token alone", async () => {
  const page = await eyes.visit(`${node.url}/inspector/#/node`);
  const dialog = page.getByRole("dialog", { name: "Token" });
  await dialog.getByText("This node wants to know who is asking.").waitFor();
  await eyes.picture(page, "inspector-token");
  await dialog.getByRole("textbox").fill(user);
  await dialog.getByRole("button", { name: "Use it" }).click();
  await dialog.getByText("it needs the role admin").waitFor();
  await dialog.getByRole("textbox").fill(admin);
  await dialog.getByRole("button", { name: "Use it" }).click();
  await page.getByText("calls that wait for one object").waitFor();

  // It lasts as long as the tab, carries streams, too, and is in no address.
  await page.reload();
  await page.getByText("calls that wait for one object").waitFor();
  await page.keyboard.press("2");
  await page.getByText(/^Live/).waitFor();
  expect(page.url()).not.toContain(admin);
  expect(await page.evaluate("localStorage.length")).toBe(0);
  const said = eyes.complaints();
  expect(said.filter((fault) => !/40[13]/.test(fault))).toEqual([]);
});
