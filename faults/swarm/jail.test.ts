// What a swarm run leaves behind: nothing, however it ends.
import assert from "node:assert/strict";
import { on, once } from "node:events";
import { watch } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { temporaryFolder } from "@sluice/testing";
import { runJailed, type JailOptions } from "./jail.ts";

const jail = JSON.stringify(new URL("./jail.ts", import.meta.url).href);

interface Rig extends AsyncDisposable {
  readonly options: JailOptions;
  readonly stop: AbortController;
  readonly kill: AbortController;
  /** What the script wrote, once it wrote something. */
  written(): Promise<string>;
}

async function openRig(source: string, network: JailOptions["network"] = "machine"): Promise<Rig> {
  const folder = await temporaryFolder();
  const script = join(folder.path, "script.mjs");
  const out = join(folder.path, "out");
  await writeFile(script, source);
  await writeFile(out, "");
  const [stop, kill] = [new AbortController(), new AbortController()];
  return {
    options: { script: pathToFileURL(script), args: [out], network, stop: stop.signal, kill: kill.signal },
    stop,
    kill,
    async written() {
      const watcher = watch(out);
      const changes = on(watcher, "change"); // from now on, so that none is missed
      for (;;) {
        const text = await readFile(out, "utf8");
        if (!text.endsWith("\n")) await changes.next();
        else {
          watcher.close();
          return text.trim();
        }
      }
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

const started = 'import { writeFileSync } from "node:fs"; writeFileSync(process.argv[2], "started\\n");';

describe("a jailed script", { skip: process.getuid?.() === 0 ? false : "namespaces need root" }, () => {
  test("takes all that it started with it, and its exit code comes back", async () => {
    const server = `require("node:net").createServer().listen(0, "127.0.0.1", function () {
      console.log(this.address().port); })`;
    await using rig = await openRig(`
      import { spawn } from "node:child_process";
      import { once } from "node:events";
      import { writeFileSync } from "node:fs";
      const args = ["-e", ${JSON.stringify(server)}];
      const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", "pipe", "ignore"] });
      const [port] = await once(child.stdout, "data");
      writeFileSync(process.argv[2], port);
      process.exit(7);
    `);
    assert.equal(await runJailed(rig.options), 7);
    const [error] = (await once(connect(Number(await rig.written()), "127.0.0.1"), "error")) as [{ code: string }];
    assert.equal(error.code, "ECONNREFUSED");
  });

  test("on a network of its own has no way out", async () => {
    await using rig = await openRig(
      `import { networkInterfaces } from "node:os"; process.exit(Object.keys(networkInterfaces()).length);`,
      "own",
    );
    assert.equal(await runJailed(rig.options), 0);
  });

  test("is asked to stop, and may take its time", async () => {
    await using rig = await openRig(`
      import { once } from "node:events";
      import { released } from ${jail};
      ${started}
      const alive = setInterval(() => {}, 1_000);
      const signal = released();
      if (!signal.aborted) await once(signal, "abort");
      clearInterval(alive);
      process.exitCode = 3;
    `);
    const code = runJailed(rig.options);
    await rig.written();
    rig.stop.abort();
    assert.equal(await code, 3);
  });

  test("is ended at once when it is to be killed", async () => {
    await using rig = await openRig(`${started} setInterval(() => {}, 1_000);`);
    const code = runJailed(rig.options);
    await rig.written();
    rig.kill.abort();
    assert.equal(await code, 1);
  });
});
