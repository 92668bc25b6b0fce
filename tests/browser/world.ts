import { afterAll, afterEach, beforeAll, expect } from "vitest";

import { Eyes } from "../harness/browser.ts";
import { Node } from "../harness/node.ts";

/** What a file of browser tests has. */
export interface World {
  node: Node;
  eyes: Eyes;
}

/** A node and a browser for the tests of a file. No page may have complained when a test ends. */
export function world(): World {
  const world = {} as World;
  beforeAll(async () => {
    [world.node, world.eyes] = await Promise.all([Node.start(), Eyes.open()]);
  });
  afterEach(() => {
    expect(world.eyes.complaints()).toEqual([]);
  });
  afterAll(async () => {
    await Promise.all([world.node?.remove(), world.eyes?.close()]);
  });
  return world;
}
