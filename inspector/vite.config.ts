import { defineConfig } from "vite";

// The built files are committed and embedded in the server: their names stay the same, so that it can name them.
export default defineConfig({
  base: "/inspector/",
  build: {
    outDir: "../crates/abide-server/src/inspector/built",
    emptyOutDir: true,
    target: "es2023",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 500,
    rollupOptions: {
      output: {
        entryFileNames: "app.js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
      },
    },
  },
  server: { proxy: { "/v1": "http://127.0.0.1:7070", "/metrics": "http://127.0.0.1:7070", "/healthz": "http://127.0.0.1:7070" } },
});
