// The modes of the data folder and of what is in it.
import assert from "node:assert/strict";
import { chmod, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startSluice, temporaryFolder } from "@sluice/testing";
import { runSluice } from "../../../test/run-sluice.ts";

const args = ["--queue", "orders", "--target", "http://127.0.0.1:9/"];

async function modesIn(folder: string): Promise<Record<string, string>> {
  const modes: Record<string, string> = {};
  for (const name of ["", ...(await readdir(folder))])
    modes[name] = ((await stat(join(folder, name))).mode & 0o777).toString(8);
  return modes;
}

test("the folder and its files are their owner's alone, whatever the umask, and looser ones are told", async () => {
  await using folder = await temporaryFolder();
  const dataFolder = join(folder.path, "above", "data");
  const before = process.umask(0o022);
  try {
    await using server = await startSluice({ dataFolder, args });
    assert.equal((await runSluice({ args: ["keys", "create", "--name", "a", "--data", dataFolder] })).exitCode, 0);
    const { "": own, ...files } = await modesIn(dataFolder);
    assert.equal(own, "700");
    for (const name of ["keys.json", "owner.json", "owner.lock", "sluice.db", "sluice.db-wal", "sluice.mark"])
      assert.ok(name in files, name);
    assert.deepEqual(new Set(Object.values(files)), new Set(["600"]));
    assert.doesNotMatch(server.output(), /others on this machine/);
    server.kill("SIGTERM");
    await server.exited;
  } finally {
    process.umask(before);
  }
  await chmod(dataFolder, 0o755);
  await chmod(join(dataFolder, "sluice.db"), 0o644);
  await using again = await startSluice({ dataFolder, args });
  const [line] = await again.line(/.*others on this machine have access to the data folder: chmod -R go= .*/);
  assert.match(line, /data: 0755.*sluice\.db: 0644/);
  assert.equal((await modesIn(dataFolder))["sluice.db"], "644", "nothing is changed without being asked");
});
