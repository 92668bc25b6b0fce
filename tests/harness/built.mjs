/**
 * Whether files that are committed are what a fresh build gives, byte for byte:
 * `node tests/harness/built.mjs FOLDER… -- COMMAND…`. What differs stays as the build left it, to be committed.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const split = process.argv.indexOf("--");
const folders = process.argv.slice(2, split);
const [program, ...args] = process.argv.slice(split + 1);

const before = files();
const { status } = spawnSync(program, args, { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);
const after = files();

const names = [...new Set([...before.keys(), ...after.keys()])].sort();
const different = names.filter((name) => before.get(name) !== after.get(name));
for (const name of different) {
  const what = !before.has(name) ? "is missing in the commit" : !after.has(name) ? "is no longer built" : "differs from a fresh build";
  console.error(`${name} ${what}: commit what the build has left`);
}
if (different.length) process.exit(1);
console.log(`${names.length} built files are what a fresh build gives`);

function files() {
  const all = folders.flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }));
  const paths = all.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [path, createHash("sha256").update(readFileSync(path)).digest("hex")]));
}
