// The pages: their links lead somewhere, what is made of code is current, and what is marked as runnable runs.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { brokenLinks } from "./docs/links.ts";
import { runnablePages, runPage } from "./docs/run-page.ts";
import { referencePages } from "./docs/reference-pages.ts";

const repository = path.resolve(import.meta.dirname, "..");

test("the reference is what the code says now: node scripts/docs.ts writes it", async () => {
  for (const { file, text } of await referencePages())
    assert.equal(await readFile(path.join(repository, "docs/reference", file), "utf8"), text, file);
});

test("every relative link and anchor of every page leads somewhere", () => {
  assert.deepEqual(brokenLinks(repository), []);
});

for (const page of runnablePages(repository)) {
  test(`what ${page} marks as runnable runs, and prints what the page shows`, () => runPage(repository, page));
}
