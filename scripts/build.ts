// npm run build: what is published, in dist/, with a list of what each package is made of.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { buildPackages, packageNames } from "./build-packages.ts";
import { sbomOf } from "./sbom.ts";

const dist = path.resolve(import.meta.dirname, "../dist");
buildPackages(dist);
for (const name of packageNames) {
  const built = path.join(dist, name);
  const sbom = `${built}.cdx.json`;
  writeFileSync(sbom, `${JSON.stringify(sbomOf(name), undefined, 2)}\n`);
  console.log(`${built}\n${sbom}`);
}
