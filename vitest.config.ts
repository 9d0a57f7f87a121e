import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,mjs}"],
    testTimeout: 60_000,
    reporters: process.env["CI"] ? ["default"] : ["default"],
  },
});
