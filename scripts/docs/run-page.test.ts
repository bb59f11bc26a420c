// The tutorial does what it says. The other pages: run-page.long.test.ts.
import path from "node:path";
import { test } from "node:test";
import { firstPage, runPage } from "./run-page.ts";

test("what the tutorial marks runs, and prints what the page shows", () =>
  runPage(path.resolve(import.meta.dirname, "../.."), firstPage));
