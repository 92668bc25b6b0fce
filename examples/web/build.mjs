/** Builds the pages of the examples into `examples/NAME/web/dist`, with the names that the programs embed. */
import { resolve } from "node:path";
import { build } from "vite";

const here = import.meta.dirname;
const client = resolve(here, "../../clients/typescript/src");

for (const name of ["chat", "tic-tac-toe", "arena"]) {
  await build({
    configFile: false,
    root: resolve(here, "..", name, "web"),
    base: "./",
    logLevel: "warn",
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    resolve: {
      alias: [
        { find: "@abide/client/react", replacement: resolve(client, "react.ts") },
        { find: "@abide/client", replacement: resolve(client, "index.ts") },
        { find: /^react$/, replacement: "preact/compat" },
      ],
    },
    build: {
      outDir: "dist",
      emptyOutDir: true,
      target: "es2022",
      modulePreload: false,
      assetsInlineLimit: 0,
      rollupOptions: { output: { entryFileNames: "app.js", assetFileNames: "app[extname]", codeSplitting: false } },
    },
  });
}
