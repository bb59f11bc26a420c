import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryFolder, type TemporaryFolder } from "@sluice/testing";
import { patched, type Patch } from "./mutant.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const copied = ["package.json", "packages", "testing", "faults", "docs"];
/** Ours, by the name they are imported under: they must be found in the copy. */
const ours: Readonly<Record<string, string>> = {
  sluice: "packages/sluice",
  "@sluice/client": "packages/client",
  "@sluice/testing": "testing",
};

/** A copy of the sources with the patches applied. Throws when one does not apply exactly once. */
export async function copyWith(patches: readonly Patch[]): Promise<TemporaryFolder> {
  await using resources = new AsyncDisposableStack();
  const folder = resources.use(await temporaryFolder());
  const isSource = (path: string): boolean => !path.includes("node_modules");
  for (const name of copied) await cp(join(root, name), join(folder.path, name), { recursive: true, filter: isSource });
  await linkModules(join(folder.path, "node_modules"), folder.path);
  for (const patch of patches) await apply(folder.path, patch);
  resources.move();
  return folder;
}

async function linkModules(modules: string, copy: string): Promise<void> {
  await mkdir(join(modules, "@sluice"), { recursive: true });
  for (const name of await readdir(join(root, "node_modules"))) {
    if (name === "@sluice" || name in ours) continue;
    await symlink(join(root, "node_modules", name), join(modules, name));
  }
  for (const [name, place] of Object.entries(ours)) await symlink(join(copy, place), join(modules, name));
}

async function apply(folder: string, patch: Patch): Promise<void> {
  const path = join(folder, patch.file);
  await writeFile(path, patched(await readFile(path, "utf8"), patch));
}
