// Plays docs/tutorial.md as it stands, but for the port and the folder; between steps the server is killed, as it says.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { startChild, temporaryFolder, type Child } from "@sluice/testing";

const root = path.resolve(import.meta.dirname, "..");
const text = readFileSync(path.join(root, "docs/tutorial.md"), "utf8");
const runs = blocksOf("sh run");

test("the tutorial does what it says", { timeout: 120_000 }, async () => {
  await using folder = await temporaryFolder();
  await symlink(path.join(root, "node_modules"), path.join(folder.path, "node_modules"));
  await writeFile(path.join(folder.path, "sluice.config.ts"), only(blocksOf("ts file=sluice.config.ts")));
  const [one, many, look, again, audit, dead] = runs;
  assert.equal(runs.length, 6);

  await using killed = await serve(folder.path, 0);
  const [, port = ""] = await killed.line(/^Sluice listens on http:\/\/127\.0\.0\.1:(\d+)/);
  const shell = shellIn(folder.path, port);
  assert.deepEqual(JSON.parse(await shell(one)), JSON.parse(only(blocksOf("json"))));
  await shell(many);
  assert.match(await shell(look), /orders/);
  killed.kill("SIGKILL");
  await killed.exited;

  await using server = await serve(folder.path, Number(port));
  await server.line(/^Sluice listens on /);
  await shell(again);
  const holds = await shell(audit);
  assert.match(holds, /orders +2,001 /);
  assert.match(holds, /The law holds/);
  assert.match(await shell(dead), /rejected/);
});

function blocksOf(kind: string): readonly string[] {
  return [...text.matchAll(/^```(.+)\n([\s\S]*?)^```$/gm)].flatMap(([, found, block = ""]) =>
    found === kind ? [block] : [],
  );
}

function only(blocks: readonly string[]): string {
  const [block] = blocks;
  if (block === undefined || blocks.length > 1)
    throw new Error(`the tutorial has ${blocks.length} such blocks, not one`);
  return block;
}

function serve(cwd: string, port: number): Promise<Child> {
  const command = only(blocksOf("sh run=server")).replace("npx ", "exec ").replace("8090", String(port));
  return startChild({ command: "sh", args: ["-c", command], cwd, env: userEnv() });
}

function shellIn(cwd: string, port: string): (block: string | undefined) => Promise<string> {
  return async (block = "") => {
    const env = { ...process.env, ...userEnv() };
    const command = block.replaceAll("127.0.0.1:8090", `127.0.0.1:${port}`);
    return (await promisify(execFile)("sh", ["-ec", command], { cwd, env })).stdout;
  };
}

function userEnv(): Readonly<Record<string, string | undefined>> {
  const bin = path.join(root, "node_modules/.bin");
  return { PATH: `${bin}:${process.env["PATH"]}`, PORT: undefined, SLUICE_DATA: undefined, SLUICE_URL: undefined };
}
