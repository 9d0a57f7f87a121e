import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,mjs}"],
    globalSetup: "test/support/build.ts",
    testTimeout: 60_000,
    // A worker for each core: tests ask onnxruntime for one thread. What one file has imported the next one finds, which halves the time.
    maxWorkers: "100%",
    isolate: false,
    tags: [
      {
        name: "laws",
        description:
          "Takes long: for many networks, series or steps what other tests do for a few. `npm test` leaves them out, `npm run test:laws` does not.",
      },
    ],
  },
});
