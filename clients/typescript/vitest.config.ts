import { defineConfig } from "vitest/config";

export default defineConfig({
  // Servers are killed and started again here: what fails once is tried once more, and shown as such.
  test: { include: ["test/**/*.test.{ts,tsx}"], testTimeout: 30_000, hookTimeout: 30_000, retry: 1 },
});
