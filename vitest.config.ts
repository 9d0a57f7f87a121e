import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,mjs}"],
    globalSetup: "test/support/build.ts",
    testTimeout: 60_000,
    reporters: process.env["CI"] ? ["default"] : ["default"],
  },
});
