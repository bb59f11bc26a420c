// npm run build: what is published, in dist/.
import path from "node:path";
import { buildPackages, packageNames } from "./build-packages.ts";

const dist = path.resolve(import.meta.dirname, "../dist");
buildPackages(dist);
for (const name of packageNames) console.log(path.join(dist, name));
