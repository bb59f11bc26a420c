// node scripts/docs.ts: writes docs/reference from the code that defines what it tells. --check writes nothing and names the
// pages that are not current.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { referencePages } from "./docs/reference-pages.ts";

const folder = path.resolve(import.meta.dirname, "../docs/reference");
const isCheck = process.argv.includes("--check");

mkdirSync(folder, { recursive: true });
for (const { file, text } of await referencePages()) {
  const found = readIfThere(path.join(folder, file));
  if (found === text) continue;
  console.log(`docs/reference/${file} ${isCheck ? "is not current: node scripts/docs.ts" : "written"}`);
  if (isCheck) process.exitCode = 1;
  else writeFileSync(path.join(folder, file), text);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
