// A real Chromium, and pages that note what a page must not do.
import { findProgram } from "@sluice/testing";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

/** Debian's, installed when it is missing. The caller closes it. */
export function launchChromium(args: readonly string[] = []): Promise<Browser> {
  const executablePath = findProgram({ program: "chromium", debianPackage: "chromium" });
  // The sandbox needs a user other than root; the pages are our own.
  const sandbox = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath, args: [...sandbox, ...args] });
}

export interface WatchedPage extends AsyncDisposable {
  readonly page: Page;
  /** What went wrong on it: errors of scripts, of the console, of the policy, and requests to other hosts. */
  readonly faults: readonly string[];
}

/** `mayFail` passes over what the console says of requests that find no gateway. */
export async function openPage(
  browser: Browser,
  url: string,
  { mayFail = false, ...options }: BrowserContextOptions & { readonly mayFail?: boolean } = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: "en-GB", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const faults: string[] = [];
  page.on("console", (message) => {
    const isExpected = mayFail && /Failed to load resource|ERR_/.test(message.text());
    if (message.type() === "error" && !isExpected) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("request", (request) => {
    const { origin } = new URL(request.url());
    if (origin !== url && !request.url().startsWith(`blob:${url}`)) faults.push(`request to ${request.url()}`);
  });
  await page.goto(url);
  return { page, faults, [Symbol.asyncDispose]: () => context.close() };
}
