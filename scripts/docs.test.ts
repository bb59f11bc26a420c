import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { referencePages } from "./reference.ts";

const root = path.resolve(import.meta.dirname, "..");
const pages = globSync(["*.md", "{docs,deploy,examples,packages,faults}/**/*.md"], { cwd: root }).filter(
  (file) => !file.includes("node_modules"),
);

test("the reference is what the code says: npm run docs writes it", { timeout: 60_000 }, async () => {
  for (const [name, text] of Object.entries(await referencePages()))
    assert.equal(readFileSync(path.join(root, "docs/reference", name), "utf8"), text, `docs/reference/${name}`);
});

test("every link to a file or a heading leads somewhere", () => {
  const broken = pages.flatMap((page) =>
    linksIn(read(page))
      .filter((link) => !leadsSomewhere(page, link))
      .map((link) => `${page}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

test("every page of docs can be reached from its first page", () => {
  const seen = new Set<string>();
  const visit = (page: string): void => {
    if (seen.has(page) || !page.endsWith(".md")) return;
    seen.add(page);
    for (const link of linksIn(read(page))) {
      const [file = ""] = link.split("#");
      if (file !== "" && !/^[a-z]+:/.test(file)) visit(path.join(path.dirname(page), file));
    }
  };
  visit("docs/README.md");
  const unreached = pages.filter((page) => page.startsWith("docs/") && !seen.has(page));
  assert.deepEqual(unreached, []);
});

function read(page: string): string {
  return readFileSync(path.join(root, page), "utf8");
}

function linksIn(text: string): readonly string[] {
  return [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```$/gm, "").replaceAll(/`[^`\n]*`/g, "");
}

/** Addresses of other hosts are not looked up. */
function leadsSomewhere(page: string, link: string): boolean {
  if (/^[a-z]+:/.test(link)) return true;
  const [file = "", anchor] = link.split("#");
  const target = file === "" ? page : path.join(path.dirname(page), file);
  const place = path.join(root, target);
  if (!existsSync(place)) return false;
  return anchor === undefined || (statSync(place).isFile() && anchorsIn(read(target)).includes(anchor));
}

/** As GitHub makes them of headings. */
function anchorsIn(text: string): readonly string[] {
  const headings = text.replaceAll(/^```[\s\S]*?^```$/gm, "").matchAll(/^#{1,6} (.+)$/gm);
  return [...headings].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
