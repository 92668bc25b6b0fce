/** A server that says what a test wants it to, for what a node says rarely. */
import type { AddressInfo } from "node:net";

import { WebSocketServer, type WebSocket } from "ws";

import { connect, type Db, type Options } from "../src/index.ts";

/** What goes over the wire. */
export type Frame = Record<string, unknown> & { type: string; n?: number };

/** What a test does with a frame. */
export type Answer = (frame: Frame, say: (frame: Frame) => void, socket: WebSocket) => void;

/** Servers and their clients, until `end`. */
export class Pretended {
  private readonly servers: WebSocketServer[] = [];
  private readonly open: Db[] = [];

  /**
   * A server that greets, and answers everything else as it is told. `hello` answers to the first frame of each
   * connection, counted from 1: with what its welcome has besides the usual, or by itself.
   */
  serve(answer: Answer, hello: (count: number, frame: Frame, say: (frame: Frame) => void, socket: WebSocket) => object | void = () => ({})): string {
    const server = new WebSocketServer({ port: 0 });
    this.servers.push(server);
    let count = 0;
    server.on("connection", (socket) => {
      const say = (frame: Frame) => socket.send(JSON.stringify(frame));
      socket.on("message", (data) => {
        const frame = JSON.parse(String(data)) as Frame;
        if (frame.type !== "hello") return answer(frame, say, socket);
        const limits = { frame_bytes: 1 << 20, calls: 256, watches: 100, timeout_ms: 60_000 };
        const more = hello((count += 1), frame, say, socket);
        if (more) say({ type: "welcome", client: "me", server: "test", proto: 1, limits, ...more });
      });
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** A client of `url`. */
  async connect(url: string, options: Options = {}): Promise<Db> {
    const db = await connect(url, { backoff: { minMs: 20, maxMs: 200 }, ...options });
    this.open.push(db);
    return db;
  }

  /** A client of a server that answers like this. */
  client(answer: Answer, options: Options = {}): Promise<Db> {
    return this.connect(this.serve(answer), options);
  }

  end(): void {
    for (const db of this.open.splice(0)) db.close();
    for (const server of this.servers.splice(0)) server.close();
  }
}
