import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startChild } from "@sluice/testing";

const demo = fileURLToPath(new URL("./demo.ts", import.meta.url));

test("the demo kills the server twice and loses nothing", async () => {
  await using child = await startChild({
    command: process.execPath,
    args: [demo, "--requests", "600", "--kills", "2"],
  });
  const { code } = await child.exited;
  const output = child.output();
  assert.equal(code, 0, output);
  assert.equal(output.match(/killed with SIGKILL/g)?.length, 2, output);
  assert.match(output, /accepted 600 = .* done 600 .*: holds/);
  assert.match(output, /lost 0/);
});
