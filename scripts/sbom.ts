// What a package is made of, by the lockfile: a CycloneDX document by npm, whose subject is the package instead of the workspace
// and whose components are what the package needs to run.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { packageNames } from "./build-packages.ts";

export interface Sbom {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly Dependency[];
}

interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
}

interface Dependency {
  readonly ref: string;
  readonly dependsOn: readonly string[];
}

const root = path.resolve(import.meta.dirname, "..");

/** Of the package in a folder of packages/. */
export function sbomOf(folder: string): Sbom {
  const { name } = manifestOf(folder);
  // Not with --omit dev: that leaves out what a package needs and the workspace too.
  const asked = ["--workspace", name, "--package-lock-only", "--sbom-format", "cyclonedx"];
  const { status, stdout, stderr } = spawnSync("npm", ["sbom", ...asked], { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm sbom ended with ${String(status)}: ${stderr}`);
  const whole = JSON.parse(stdout) as Sbom;
  const subject = whole.components.find((component) => isOf(name, component["bom-ref"]));
  if (subject === undefined) throw new Error(`npm sbom does not know ${name}`);
  const own = packageNames.map(manifestOf);
  const dependencies = whole.dependencies.map((one) => toRun(one, own));
  const needed = neededBy(subject["bom-ref"], dependencies);
  return {
    ...whole,
    metadata: { ...whole.metadata, component: { ...subject, name } },
    components: whole.components.filter((component) => component !== subject && needed.has(component["bom-ref"])),
    dependencies: dependencies.filter(({ ref }) => needed.has(ref)),
  };
}

interface Manifest {
  readonly name: string;
  readonly dependencies?: object;
  readonly optionalDependencies?: object;
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(path.join(root, "packages", folder, "package.json"), "utf8")) as Manifest;
}

function isOf(name: string, ref: string): boolean {
  return ref.slice(0, ref.lastIndexOf("@")) === name;
}

/** Of our own packages npm lists what they are made with, too. */
function toRun({ ref, dependsOn }: Dependency, own: readonly Manifest[]): Dependency {
  const manifest = own.find(({ name }) => isOf(name, ref));
  if (manifest === undefined) return { ref, dependsOn };
  const names = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
  return { ref, dependsOn: dependsOn.filter((next) => names.some((name) => isOf(name, next))) };
}

function neededBy(subject: string, dependencies: readonly Dependency[]): ReadonlySet<string> {
  const needed = new Set([subject]);
  // A set that grows while it is gone through is gone through to its end.
  for (const ref of needed)
    for (const next of dependencies.find((one) => one.ref === ref)?.dependsOn ?? []) needed.add(next);
  return needed;
}
