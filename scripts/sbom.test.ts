import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { sbomOf } from "./sbom.ts";

const root = path.resolve(import.meta.dirname, "..");

test("a package's bill of materials has what it runs on, in the lockfile's versions, and none of our tools", () => {
  const { metadata, components, dependencies } = sbomOf("sluice");
  assert.equal(metadata.component.name, "sluice");
  const found = new Set(components.map((component) => component["bom-ref"]));
  const { packages } = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, { version?: string; resolved: string; dependencies?: object }>>;
  };
  const direct = Object.keys(packages["packages/sluice"]?.dependencies ?? {});
  assert.ok(direct.length > 10);
  for (const name of direct) {
    const lock = packages[`packages/sluice/node_modules/${name}`] ?? packages[`node_modules/${name}`];
    const version = lock?.version ?? packages[lock?.resolved ?? ""]?.version; // our own are links
    assert.ok(found.has(`${name}@${version}`), name);
  }
  assert.ok(
    [...found].some((ref) => ref.startsWith("find-my-way@")),
    "what its dependencies need belongs to it",
  );
  for (const tool of ["typescript", "oxlint", "vite", "@sluice/testing", "sluice-workspace"])
    assert.ok(![...found].some((ref) => ref.startsWith(`${tool}@`)), tool);
  for (const { ref, dependsOn } of dependencies)
    for (const next of dependsOn) assert.ok(found.has(next), `${ref} needs ${next}`);
});
