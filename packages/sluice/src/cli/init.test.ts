import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { runSluice } from "../../test/run-sluice.ts";

test("init writes a configuration and a handler, and says what comes next", async () => {
  await using folder = await temporaryFolder();
  const { exitCode, stdout } = await runSluice({ args: ["init"], cwd: folder.path });
  assert.equal(exitCode, 0);
  assert.match(stdout, /^wrote sluice\.config\.ts\nwrote handlers\/orders\.ts\n\nNext:\n {2}npm init -y/);
  assert.deepEqual((await readdir(folder.path, { recursive: true })).toSorted(), [
    "handlers",
    "handlers/orders.ts",
    "sluice.config.ts",
  ]);
});

test("init overwrites nothing, and writes nothing beside what is there", async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "handlers"));
  await writeFile(join(folder.path, "handlers/orders.ts"), "mine");
  const { exitCode, stderr } = await runSluice({ args: ["init"], cwd: folder.path });
  assert.equal(exitCode, 1);
  assert.match(stderr, /nothing was written: handlers\/orders\.ts is there already; --force overwrites/);
  assert.deepEqual(await readdir(folder.path), ["handlers"]);
  assert.equal(await readFile(join(folder.path, "handlers/orders.ts"), "utf8"), "mine");
});

test("init --force overwrites", async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "sluice.config.ts"), "mine");
  const { exitCode } = await runSluice({ args: ["init", "--force"], cwd: folder.path });
  assert.equal(exitCode, 0);
  assert.match(await readFile(join(folder.path, "sluice.config.ts"), "utf8"), /defineConfig/);
});

test("init that cannot write one file leaves none", async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "handlers"), "a file where a folder is needed");
  const { exitCode } = await runSluice({ args: ["init"], cwd: folder.path });
  assert.equal(exitCode, 1);
  assert.deepEqual(await readdir(folder.path), ["handlers"]);
});

test("init makes the folder it is given", async () => {
  await using folder = await temporaryFolder();
  const { stdout } = await runSluice({ args: ["init", "services/orders"], cwd: folder.path });
  assert.match(stdout, /Next:\n {2}cd services\/orders\n/);
  assert.ok((await readdir(join(folder.path, "services/orders"))).includes("sluice.config.ts"));
});
