// Links between pages. Those to other hosts are not looked at: a test must not depend on them.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/** One line for each link that leads nowhere: the page, the link, what is missing. */
export function brokenLinks(root: string): readonly string[] {
  return pagesOf(root).flatMap((page) => linksOf(textOf(root, page)).flatMap((link) => complaint(root, page, link)));
}

/** Every page that is in the repository, or is about to be. */
export function pagesOf(root: string): readonly string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"];
  const listed = execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim().split("\n");
  return listed.filter((page) => existsSync(path.join(root, page)));
}

function complaint(root: string, page: string, link: string): readonly string[] {
  const [target = "", anchor] = link.split("#");
  const file = target === "" ? page : path.posix.join(path.posix.dirname(page), decodeURI(target));
  if (file.startsWith("..")) return [`${page}: ${link} leads out of the repository`];
  if (!existsSync(path.join(root, file))) return [`${page}: ${link}: there is no ${file}`];
  if (anchor === undefined || !file.endsWith(".md")) return [];
  return anchorsOf(textOf(root, file)).includes(anchor) ? [] : [`${page}: ${link}: ${file} has no such heading`];
}

/** Of links and pictures, outside of code. */
function linksOf(text: string): readonly string[] {
  const prose = withoutFences(text).replaceAll(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link).filter((link) => !/^[a-z]+:/.test(link));
}

/** As GitHub makes them of headings; a heading that comes again gets a number. */
function anchorsOf(text: string): readonly string[] {
  const seen = new Map<string, number>();
  return [...withoutFences(text).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) => {
    const anchor = heading
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(/\s/g, "-");
    const before = seen.get(anchor) ?? 0;
    seen.set(anchor, before + 1);
    return before === 0 ? anchor : `${anchor}-${before}`;
  });
}

function withoutFences(text: string): string {
  return text.replaceAll(/^```[^\n]*\n.*?^```$/gms, "");
}

function textOf(root: string, page: string): string {
  return readFileSync(path.join(root, page), "utf8");
}
