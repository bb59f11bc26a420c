import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { boundaryViolations } from "./boundaries.ts";

const repository = path.resolve(import.meta.dirname, "..");
const src = "packages/sluice/src";
/** A source tree with nothing in it but what a test plants, and the repository's lint rules. */
let root: string;

before(async () => {
  root = await mkdtemp(path.join(tmpdir(), "sluice-boundaries-"));
  await copyFile(path.join(repository, ".oxlintrc.json"), path.join(root, ".oxlintrc.json"));
  await writeFile(path.join(root, "tsconfig.json"), `{ "compilerOptions": { "target": "es2024", "types": [] } }`);
});
after(() => rm(root, { recursive: true }));

test("the source as it stands keeps to the layers", () => {
  assert.deepEqual(boundaryViolations(repository), []);
});

const planted: ReadonlyArray<readonly [file: string, line: string]> = [
  [`${src}/core/planted.ts`, `import { open } from "node:fs";`],
  [`${src}/core/planted.ts`, `import type { Engine } from "../engine/engine.ts";`],
  [`${src}/core/planted.ts`, `import type { Engine } from "#src/engine/engine.ts";`],
  [`${src}/telemetry/planted.ts`, `import "../engine/engine.ts";`],
  [`${src}/engine/planted.ts`, `export * from "../engines/embedded/engine.ts";`],
  [`${src}/engine/deep/planted.ts`, `import "../../gateway/gateway.ts";`],
  [`${src}/engines/embedded/planted.ts`, `import "../cluster/engine.ts";`],
  [`${src}/engines/embedded/planted.ts`, `new Worker(new URL("../../worker/worker.ts", import.meta.url));`],
  [`${src}/engines/cluster/planted.ts`, `export { openEmbedded } from "../embedded/engine.ts";`],
  [`${src}/engines/shared/planted.ts`, `import "../cluster/ledger/read.ts";`],
  [`${src}/engine/planted.ts`, `import type { StatusRow } from "../engines/shared/rows.ts";`],
  [`${src}/gateway/planted.ts`, `const worker = await import("../worker/worker.ts");`],
  [`${src}/gateway/planted.ts`, `let engine: import("../engines/embedded/engine.ts").EmbeddedEngine;`],
  [`${src}/gateway/planted.ts`, `import { Client } from "@sluice/client";`],
  [`${src}/worker/planted.ts`, `import "../gateway/gateway.ts";`],
  [`${src}/worker/planted.ts`, `import { env } from "node:process";`],
  [`${src}/autoscaler/planted.ts`, `import "../worker/worker.ts";`],
  [`${src}/planner/planted.ts`, `import type { Engine } from "../engine/engine.ts";`],
  [`${src}/rehearsal/planted.ts`, `import "../gateway/gateway.ts";`],
  [`${src}/rehearsal/planted.ts`, `import { startSluice } from "@sluice/testing";`],
  [`${src}/config/planted.ts`, `import { worker } from "../worker/worker.ts";`],
  [`${src}/cli/planted.ts`, `import "../../../../testing/index.ts";`],
  [`${src}/elsewhere/planted.ts`, `export const layer = "unknown";`],
  ["packages/client/src/planted.ts", `import { createHash } from "node:crypto";`],
  ["packages/client/src/planted.ts", `import { request } from "undici";`],
  ["packages/client/src/planted.ts", `import "../../sluice/src/core/errors.ts";`],
];

for (const [file, line] of planted) {
  test(`refused in ${file}: ${line}`, async () => {
    await plant(file, line, () => {
      const violations = boundaryViolations(root);
      assert.equal(violations.length, 1, violations.join("\n"));
      assert.match(violations[0] as string, new RegExp(`^${file}: `));
    });
  });
}

const allowed: ReadonlyArray<readonly [file: string, line: string]> = [
  [`${src}/engine/planted.ts`, `import "../core/request.ts";`],
  [`${src}/gateway/planted.ts`, `import fastify from "fastify";`],
  [`${src}/config/planted.ts`, `import type { Worker } from "../worker/worker.ts";`],
  [`${src}/cli/planted.ts`, `import { Client } from "@sluice/client";`],
  [`${src}/rehearsal/planted.ts`, `import { Client } from "@sluice/client";`],
  [`${src}/core/planted.test.ts`, `import "../gateway/gateway.ts";`],
];

for (const [file, line] of allowed) {
  test(`allowed in ${file}: ${line}`, async () => {
    await plant(file, line, () => assert.deepEqual(boundaryViolations(root), []));
  });
}

test("only cli and config touch the process", async () => {
  const line = "export const port = process.env.PORT;\n";
  await plant(`${src}/worker/planted.ts`, line, () => {
    assert.match(lintOf(`${src}/worker/planted.ts`), /no-restricted-globals/);
  });
  await plant(`${src}/config/planted.ts`, line, () => {
    assert.doesNotMatch(lintOf(`${src}/config/planted.ts`), /no-restricted-globals/);
  });
});

test("a floating promise is an error", async () => {
  const source = "async function store(): Promise<void> {}\nexport function lose(): void {\n  store();\n}\n";
  await plant(`${src}/worker/planted.ts`, source, () => {
    assert.match(lintOf(`${src}/worker/planted.ts`), /no-floating-promises/);
  });
});

async function plant(file: string, source: string, check: () => void | Promise<void>): Promise<void> {
  const planted = path.join(root, file);
  await mkdir(path.dirname(planted), { recursive: true });
  await writeFile(planted, source);
  try {
    await check();
  } finally {
    await rm(planted);
  }
}

/** What the linter says of a file, with the repository's own rules. */
function lintOf(file: string): string {
  return spawnSync(path.join(repository, "node_modules/.bin/oxlint"), [file], { cwd: root, encoding: "utf8" }).stdout;
}
