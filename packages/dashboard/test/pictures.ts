// The pictures of the docs, in docs/images: made anew only when SLUICE_PICTURES is set.
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { openPage } from "./chromium.ts";
import type { Stage } from "./stage.ts";

const folder = join(import.meta.dirname, "../../../docs/images");

export async function takePictures(browser: Browser, stage: Stage): Promise<void> {
  await using watched = await openPage(browser, stage.url, { viewport: { width: 1200, height: 585 } });
  const { page } = watched;
  const save = async (name: string, height: number): Promise<void> => {
    await page.setViewportSize({ width: 1200, height });
    await page.evaluate(() => window.scrollTo(0, 0));
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 300)));
      await page.screenshot({ path: join(folder, `dashboard-${name}-${colorScheme}.png`) });
    }
  };
  await fetch(`${stage.url}/v1/queues/mails/pause`, { method: "POST" });
  await playDay(stage);
  await save("overview", 585);

  await page.getByRole("link", { name: "orders", exact: true }).click();
  const group = page.locator('[data-error="target-status"]');
  await group.getByRole("button", { name: "Replay…" }).click();
  await group.getByRole("button", { name: "Dry run" }).click();
  await page.getByText(/^Dry run: /).waitFor();
  await save("queue", 900);

  await group.locator("a").click();
  await page.getByText("Dead on attempt 3").waitFor();
  await save("request", 560);
  await fetch(`${stage.url}/v1/queues/mails/resume`, { method: "POST" });
}

/** Two minutes of arrivals: a wave for orders, a trickle for the others. */
async function playDay({ send, serviceB }: Stage): Promise<void> {
  serviceB.forget();
  for (let second = 0; second < 120; second += 1) {
    const wave = Math.round(95 + 85 * Math.sin(second / 11));
    const order = (n: number): object => ({ n, customer: second % 40 === 7 && n < 2 ? "C-500" : `C-${n % 60}` });
    await send(
      "orders",
      Array.from({ length: Math.max(1, wave) }, (_, n) => order(n)),
    );
    await send("invoices", [order(100), order(101)]);
    if (second % 3 === 0) await send("mails", [order(100), order(101), order(102)]);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}
