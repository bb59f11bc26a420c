// Before and after `npm pack` and `npm publish` of a package, which is the working folder: `begin` builds it and puts the
// manifest that is to be published in the place of the repository's, `end` puts it back.
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { buildDashboard, buildPackage } from "./build.ts";
import { publishedManifest, type Manifest } from "./published-manifest.ts";

const folder = process.cwd();
const manifestFile = path.join(folder, "package.json");
/** Not in `files`, and so in no package. */
const keptFile = path.join(folder, ".package.json.kept");
const licenseFile = path.join(folder, "LICENSE");

const [step] = process.argv.slice(2);
if (step === "begin") begin();
else if (step === "end") end();
else throw new Error(`the step must be begin or end, got ${String(step)}`);

function begin(): void {
  end(); // a pack that was killed has left its manifest behind
  const text = readFileSync(manifestFile, "utf8");
  const published = publishedManifest(JSON.parse(text) as Manifest);
  if (published["name"] === "sluice") buildDashboard();
  buildPackage(folder);
  copyFileSync(path.join(import.meta.dirname, "../LICENSE"), licenseFile);
  writeFileSync(keptFile, text);
  writeFileSync(manifestFile, `${JSON.stringify(published, undefined, 2)}\n`);
}

function end(): void {
  if (existsSync(keptFile)) renameSync(keptFile, manifestFile);
  rmSync(licenseFile, { force: true });
}
