// Clients that strangers' generators make of the API's description compile under strict TypeScript, and submit, wait, read and replay.
import assert from "node:assert/strict";
import { cp, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createClient } from "@hey-api/openapi-ts";
import { sluiceCommand, startChild, startSluice, temporaryFolder } from "@sluice/testing";
import openapiTS, { astToString } from "openapi-typescript";

const [root, here] = ["../../", "./"].map((path) => fileURLToPath(new URL(path, import.meta.url))) as [string, string];

interface Generator {
  readonly name: string;
  /** Uses what is generated beside it. */
  readonly program: string;
  readonly generate: (description: object, folder: string) => Promise<void>;
}

const generators: readonly Generator[] = [
  {
    name: "openapi-typescript with openapi-fetch",
    program: "openapi-fetch.ts",
    async generate(description, folder) {
      const types = astToString(await openapiTS(JSON.stringify(description)));
      await mkdir(folder);
      await writeFile(join(folder, "api.ts"), types);
    },
  },
  {
    name: "@hey-api/openapi-ts",
    program: "hey-api.ts",
    async generate(description, folder) {
      await createClient({
        input: description as Record<string, unknown>,
        output: { path: folder, module: { extension: ".ts" } },
        logs: { level: "silent" },
      });
    },
  },
];

describe("a generated client", () => {
  for (const { name, program, generate } of generators)
    test(`works: ${name}`, { timeout: 300_000 }, async () => {
      await using folder = await temporaryFolder();
      const made = await ended([
        sluiceCommand,
        "keys",
        "create",
        "--name",
        "a",
        "--scope",
        "send,read,admin",
        "--json",
        "--data",
        folder.path,
      ]);
      const { key } = JSON.parse(made) as { readonly key: string };
      await using sluice = await startSluice({ dataFolder: folder.path, configFile: join(here, "clients.config.ts") });
      const answer = await fetch(`${sluice.url}/openapi.json`, { headers: { authorization: `Bearer ${key}` } });
      const generated = join(folder.path, "generated");
      await generate((await answer.json()) as object, generated);
      await symlink(join(root, "node_modules"), join(folder.path, "node_modules"));
      await cp(join(here, "programs", program), join(folder.path, program));
      await writeFile(join(folder.path, "package.json"), '{ "type": "module" }');
      await writeFile(join(folder.path, "tsconfig.json"), JSON.stringify(strictConfig(program)));
      await ended([join(root, "node_modules/typescript/bin/tsc"), "-p", folder.path]);
      await ended([join(folder.path, program), sluice.url, key]);
    });
});

function strictConfig(program: string): object {
  return {
    compilerOptions: {
      strict: true,
      noEmit: true,
      target: "es2024",
      lib: ["es2024", "dom", "dom.iterable", "dom.asynciterable"],
      module: "nodenext",
      types: ["node"],
      allowImportingTsExtensions: true,
      erasableSyntaxOnly: true,
      skipLibCheck: true,
    },
    files: [program],
  };
}

/** What it printed. */
async function ended(args: readonly string[]): Promise<string> {
  await using child = await startChild({ command: process.execPath, args });
  assert.deepEqual(await child.exited, { code: 0, signal: null }, child.output());
  return child.output();
}
