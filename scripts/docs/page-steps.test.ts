import assert from "node:assert/strict";
import { test } from "node:test";
import { stepsOf } from "./page-steps.ts";

const fence = "```";

test("marked blocks and orders are taken in their sequence, others are left alone", () => {
  const page = `
${fence}sh
npm ci
${fence}

${fence}ts file=handlers/a.ts
export {};
${fence}

${fence}sh run exits=78
sluice up
${fence}

<!-- kill -->
`;
  assert.deepEqual(stepsOf(page), [
    { kind: "file", name: "handlers/a.ts", text: "export {};\n" },
    { kind: "run", command: "sluice up\n", exitCode: 78 },
    { kind: "stop", signal: "SIGKILL" },
  ]);
});

test("a mark that is none is refused, so that no block is passed over", () => {
  assert.throws(() => stepsOf(`${fence}sh runs\ntrue\n${fence}\n`), /marked run, run exits=N, .+ got runs/);
});
