import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { Node, run } from "../../../tests/harness/node.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const STRICT = {
  strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noEmit: true, skipLibCheck: false,
  allowImportingTsExtensions: true, rewriteRelativeImportExtensions: false, verbatimModuleSyntax: true,
  target: "es2022", module: "nodenext", moduleResolution: "nodenext", lib: ["es2022", "dom", "dom.iterable"], types: [],
  customConditions: ["development"], paths: {
    "@abide/client": [join(ROOT, "clients/typescript/src/index.ts")],
    "@abide/client/react": [join(ROOT, "clients/typescript/src/react.ts")],
  },
};

let node: Node;
let folder: string;

beforeAll(async () => {
  [node, folder] = await Promise.all([Node.start(), mkdtemp(join(tmpdir(), "abide-types-"))]);
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: STRICT, include: ["*.ts"] }));
  await node.run("gen", "ts", "--out", join(folder, "kinds.ts"));
});

afterAll(async () => {
  await node?.remove();
  await rm(folder, { recursive: true, force: true });
});

/** What the compiler says of programs; nothing if they are right. */
async function compile(...programs: string[]): Promise<string> {
  const name = (at: number) => join(folder, `program${at || ""}.ts`);
  await Promise.all(programs.map((program, at) => writeFile(name(at), program)));
  return run(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder]).then(() => "", (error: Error) => error.message);
}

function check(body: string): Promise<string> {
  const head = 'import { connect } from "@abide/client";\nimport type { Kinds } from "./kinds.js";\n';
  return compile(`${head}const db = await connect<Kinds>("http://localhost");\n${body}\n`);
}

test("what gen writes compiles strictly, and so does a program that uses it", async () => {
  const said = await check(`
    const visits = db.object("Counter", "visits");
    const count: number = await visits.call.increment({ amount: 5 });
    const again: number = await visits.call.increment();
    const got: number = await visits.call.get({}, { timeoutMs: 100 });
    const known: number | undefined = visits.value?.count;
    const stop: () => void = visits.subscribe((state) => console.log(state?.last_incremented_at?.length));
    for await (const update of visits.changes({ after: 0 })) {
      if (update.type === "change") console.log(update.patch.count, count, again, got, known, stop);
    }
    const was: number | undefined = (await visits.get({ at: 2 }))?.state.count;
    const gone: boolean = await visits.delete();
    const page = await db.find("Counter", { where: "count > 5", limit: 2, cursor: null });
    console.log(page.objects[0]?.state.count, page.cursor?.length, was, gone, db.principal?.subject);
    console.log((await db.list("Counter")).objects[0]?.state?.count, (await db.get("Wallet", "alice"))?.createdAt);
    const left: number = (await db.object("RateLimiter", "me").call.take({ permits: 2 })).left;
    export { left };`);
  expect(said).toBe("");
});

test("mistakes do not compile", async () => {
  const said = await check(`
    await db.object("Countre", "visits").call.increment();
    await db.object("Counter", "visits").call.incremnet();
    await db.object("Counter", "visits").call.increment({ amount: "5" });
    await db.object("Wallet", "alice").call.transfer({ amount: 5 });
    const text: string = await db.object("Counter", "visits").call.get();
    await db.find("Countre");
    await db.find("Counter", { filter: "count > 5" });
    (await db.list("Counter")).objects[0]?.state.count;
    (await db.object("Counter", "visits").get()).state;
    export { text };`);
  for (const line of [5, 6, 7, 8, 9, 10, 11, 12, 13]) expect(said).toContain(`program.ts(${line},`);
});

test("the programs in the documentation compile", async () => {
  for (const file of ["docs/clients.md", "README.md"]) {
    const text = await readFile(join(ROOT, file), "utf8");
    const programs = [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map((found) => found[1] as string);
    expect(programs.length, file).toBeGreaterThan(0);
    expect(await compile(...programs), file).toBe("");
  }
});

test("the types of the examples' pages are what gen writes", async () => {
  const written = await node.run("gen", "ts", "Arena", "ChatLobby", "ChatRoom", "ChatSession", "TicTacToe");
  expect(await readFile(join(ROOT, "examples/web/shared/kinds.ts"), "utf8")).toBe(written);
});
