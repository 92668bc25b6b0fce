import { defineConfig } from "vitest/config";

export default defineConfig({
  // A browser is at the mercy of the machine: what fails once is tried once more, and shown as such.
  test: { include: ["*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false, retry: 1 },
});
