/** A node in a process of its own, on a store in a temporary folder: started, killed, started again. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const ROOT = resolve(import.meta.dirname, "../..");

/** The `abide` command: what `ABIDE_BIN` names, or the one that `cargo build -p abide-cli` makes. */
export const ABIDE = process.env["ABIDE_BIN"] ?? join(process.env["CARGO_TARGET_DIR"] ?? join(ROOT, "target"), "debug/abide");

/** The environment without settings of ours. */
const CLEAN = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("ABIDE_")));

export class Node {
  private constructor(
    private process: ChildProcess,
    readonly url: string,
    private readonly folder: string,
    private readonly flags: string[],
  ) {}

  /** Starts a node on a free port. */
  static async start(...flags: string[]): Promise<Node> {
    const folder = await mkdtemp(join(tmpdir(), "abide-test-"));
    const [process, url] = await serve(folder, "127.0.0.1:0", flags);
    return new Node(process, url, folder, flags);
  }

  /** Ends the process as a crash would: it is not asked. */
  kill(): Promise<void> {
    return this.end("SIGKILL");
  }

  /** Asks it to stop, and waits until it has. */
  stop(): Promise<void> {
    return this.end("SIGTERM");
  }

  /** Starts it again, at the same address, on the same store, with the same flags. */
  async restart(): Promise<void> {
    [this.process] = await serve(this.folder, new URL(this.url).host, this.flags);
  }

  /** Runs a command against it; what it printed. */
  run(...args: string[]): Promise<string> {
    return run(ABIDE, ["--url", this.url, ...args], this.folder);
  }

  /** Asks it over HTTP. */
  async http(path: string, body?: unknown, token?: string): Promise<unknown> {
    const who = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const post = { method: "POST", headers: { ...who, "content-type": "application/json" }, body: JSON.stringify(body) };
    const response = await fetch(this.url + path, body === undefined ? { headers: who } : post);
    return response.json();
  }

  /** Ends it and removes its folder. */
  async remove(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill(signal);
    await ended;
  }
}

/** Runs a program to its end; what it printed. Fails with what it said if it did. */
export function run(program: string, args: string[], cwd: string = ROOT): Promise<string> {
  return new Promise((done, failed) => {
    const child = spawn(program, args, { cwd, env: CLEAN, stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let said = "";
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => (said += data));
    child.once("error", failed);
    child.once("exit", (code) => (code === 0 ? done(out) : failed(new Error(`${program} ${args.join(" ")}: ${out}${said}`))));
  });
}

async function serve(folder: string, listen: string, flags: string[]): Promise<[ChildProcess, string]> {
  const args = ["serve", "--json", "--log", "warn", "--listen", listen, ...flags];
  const child = spawn(ABIDE, args, { cwd: folder, env: CLEAN, stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise<string>((done, failed) => {
    createInterface(child.stdout).once("line", (line) => done((JSON.parse(line) as { url: string }).url));
    child.once("error", failed);
    child.once("exit", (code) => failed(new Error(`the node ended with ${code} before it served`)));
  });
  return [child, url];
}
