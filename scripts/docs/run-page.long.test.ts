// Every page that says <!-- runnable --> does what it says.
import path from "node:path";
import { test } from "node:test";
import { firstPage, runnablePages, runPage } from "./run-page.ts";

const root = path.resolve(import.meta.dirname, "../..");

for (const page of runnablePages(root).filter((one) => one !== firstPage)) {
  test(`what ${page} marks runs, and prints what the page shows`, () => runPage(root, page));
}
