import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { brokenLinks } from "./links.ts";

test("a link to a missing page and one to a missing heading are told, code and other hosts are left alone", async () => {
  await using folder = await temporaryFolder();
  execFileSync("git", ["init", "--quiet"], { cwd: folder.path });
  const pages = {
    "one.md": "# One\n[a](two.md#b-c) [b](two.md#gone) [c](three.md) [d](https://host/x) `[e](gone.md)`\n",
    "two.md": "# Two\n## B, c\n[a](#two)\n```\n[f](gone.md)\n```\n",
  };
  for (const [name, text] of Object.entries(pages)) await writeFile(path.join(folder.path, name), text);
  assert.deepEqual(brokenLinks(folder.path), [
    "one.md: two.md#gone: two.md has no such heading",
    "one.md: three.md: there is no three.md",
  ]);
});
