import { gzipSync } from "node:zlib";

import { build, type Rolldown } from "vite";
import { expect, test } from "vitest";

const LIMIT = 8 * 1024;

async function bundled(entry: string): Promise<number> {
  const built = await build({
    configFile: false,
    logLevel: "silent",
    build: {
      write: false,
      minify: true,
      lib: { entry: new URL(entry, import.meta.url).pathname, formats: ["es"], fileName: "out" },
      rollupOptions: { external: ["react"] },
    },
  });
  const { output } = (Array.isArray(built) ? built[0] : built) as Rolldown.RolldownOutput;
  const code = output.map((chunk) => (chunk.type === "chunk" ? chunk.code : "")).join("");
  expect(code).toContain("/v1/socket");
  return gzipSync(code, { level: 9 }).length;
}

test("the client has at most 8 kB gzipped", async () => {
  const bytes = await bundled("../src/index.ts");
  console.log(`@abide/client: ${bytes} bytes gzipped`);
  expect(bytes).toBeLessThanOrEqual(LIMIT);
});
