import { link, rename, rm, stat, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import type { Command } from "commander";
import { makeNamedFolder } from "../files/make-folder.ts";
import { CommandError, exitCodes } from "./failure.ts";
import { catchInterrupts } from "./interrupt.ts";
import { printJson, printLine } from "./print.ts";
import { starterFiles } from "./starter-files.ts";

interface InitOptions {
  readonly force?: true;
  readonly json?: true;
}

const afterHelp = `
Writes ${Object.keys(starterFiles).join(" and ")}. It writes all of them or none, and overwrites nothing without --force.

Examples:
  sluice init
  sluice init services/orders
`;

export function registerInit(program: Command): void {
  program
    .command("init")
    .summary("write a configuration and a first handler")
    .description("Writes a configuration and a first handler, to start from.")
    .argument("[folder]", "where to write", ".")
    .option("--force", "overwrite what is there")
    .option("--json", "print JSON; errors too")
    .addHelpText("after", afterHelp)
    .action(init);
}

async function init(folder: string, { force, json }: InitOptions): Promise<void> {
  const root = resolve(folder);
  const files = Object.entries(starterFiles).map(([name, text]) => ({ path: join(root, name), text }));
  const present = files.filter(({ path }) => existsSync(path)).map(({ path }) => path);
  if (present.length > 0 && !force) throw occupied(present);
  using _interrupts = catchInterrupts(); // it takes milliseconds, and none of them may leave a part behind
  await writeAll(files, { isForced: force === true });
  if (json) return printJson({ written: files.map(({ path }) => path) });
  for (const { path } of files) printLine(`wrote ${relative(process.cwd(), path)}`);
  printLine(nextSteps(root));
}

function nextSteps(root: string): string {
  const hasManifest = existsSync(join(root, "package.json"));
  const steps = ["npx sluice up", `echo '{"sku":7,"quantity":2}' | npx sluice send --queue orders --wait`];
  if (!existsSync(join(root, "node_modules", "sluice"))) steps.unshift("npm install sluice");
  if (!hasManifest) steps.unshift("npm init -y && npm pkg set type=module");
  const where = relative(process.cwd(), root);
  if (where !== "") steps.unshift(`cd ${where}`);
  return `\nNext:\n${steps.map((step) => `  ${step}`).join("\n")}`;
}

interface NewFile {
  readonly path: string;
  readonly text: string;
}

/** Each file is written beside its place first; what was done is undone when one of them fails. */
async function writeAll(files: readonly NewFile[], { isForced }: { readonly isForced: boolean }): Promise<void> {
  const undo: string[] = [];
  const drafts = files.map(({ path, text }) => ({ path, text, draft: `${path}.${process.pid}.tmp` }));
  try {
    for (const { path, text, draft } of drafts) {
      const firstFolder = await makeNamedFolder("the folder", dirname(path));
      if (firstFolder !== undefined) undo.push(firstFolder);
      if (await isFolder(path)) throw new Error(`${path} is a folder`);
      await writeFile(draft, text, { flag: "wx" });
    }
    for (const { path, draft } of drafts) {
      if (isForced) {
        await rename(draft, path);
      } else {
        await link(draft, path); // unlike a rename it overwrites nothing that came meanwhile
        undo.push(path);
      }
    }
    undo.length = 0;
  } finally {
    for (const path of [...drafts.map(({ draft }) => draft), ...undo.toReversed()])
      await rm(path, { recursive: true, force: true });
  }
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ?? false;
}

function occupied(paths: readonly string[]): CommandError {
  const names = paths.map((path) => relative(process.cwd(), path)).join(", ");
  return new CommandError(
    `nothing was written: ${names} ${paths.length === 1 ? "is" : "are"} there already; --force overwrites`,
    {
      code: "exists",
      exitCode: exitCodes.failed,
      fields: { paths },
    },
  );
}
