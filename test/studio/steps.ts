/** What tests of Studio do again and again. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import axe from "axe-core";
import type { Page } from "playwright-core";
import sharp from "sharp";

/** Opens a model's file, and waits until it is shown. */
export async function openModel(page: Page, path: string): Promise<void> {
  await page.locator("input[type=file]").first().setInputFiles(path);
  await page.locator(".details h2").waitFor();
}

export const expectText = (page: Page, text: string): Promise<void> => page.getByText(text).first().waitFor();

/** What comes down when a button is pressed. */
export async function downloadBy(page: Page, name: string): Promise<Buffer> {
  const waiting = page.waitForEvent("download");
  await page.getByRole("button", { name }).click();
  return readFile((await (await waiting).path())!);
}

/** Pictures of discs, large and small. */
export function drawPictures(folder: string, count: number): Promise<string[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const path = join(folder, `picture-${i}.png`);
      const [x, r] = [8 + (i % 12), 3 + (i % 7)];
      const disc = `<rect width="28" height="28"/><circle cx="${x}" cy="14" r="${r}" fill="#fff"/>`;
      await sharp(Buffer.from(`<svg width="28" height="28">${disc}</svg>`))
        .png()
        .toFile(path);
      return path;
    }),
  );
}

/** What axe holds to be serious or worse. */
export async function seriousIn(page: Page): Promise<string[]> {
  // The page's policy allows no script but its own: axe comes in by the browser's own door.
  await page.evaluate(`${axe.source}; undefined`);
  return page.evaluate(async () => {
    const { violations } = await (
      globalThis as unknown as { axe: { run(): Promise<import("axe-core").AxeResults> } }
    ).axe.run();
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  });
}
