// Plays the receivers of docs/how-to/callbacks.md as they stand: a real Sluice posts to them, and so does somebody else.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { findProgram, freePort, startChild, startSluice, temporaryFolder } from "@sluice/testing";

const root = path.resolve(import.meta.dirname, "..");
const text = readFileSync(path.join(root, "docs/how-to/callbacks.md"), "utf8");
const secret = `whsec_${Buffer.from("a secret of twenty-four bytes").toString("base64")}`;
const config = `export default { callbacks: { allow: ["127.0.0.1"] }, queues: { orders: { handle: () => ({ total: 12 }) } } };`;

const receivers = {
  "receiver.ts": { kind: "ts", program: () => process.execPath },
  "receiver.py": {
    kind: "python",
    program: () => findProgram({ program: "python3", debianPackage: "python3" }),
  },
} as const;

for (const [file, { kind, program }] of Object.entries(receivers)) {
  test(`${file} of the docs takes what is signed, once, and refuses what is not`, { timeout: 120_000 }, async () => {
    await using folder = await temporaryFolder();
    await symlink(path.join(root, "node_modules"), path.join(folder.path, "node_modules"));
    await writeFile(path.join(folder.path, file), block(`${kind} file=${file}`));
    await writeFile(path.join(folder.path, "sluice.config.ts"), config);
    const port = await freePort();
    await using receiver = await startChild({
      command: program(),
      args: [path.join(folder.path, file)],
      env: { CALLBACK_SECRET: secret, PORT: String(port) },
    });
    await using sluice = await startSluice({
      dataFolder: path.join(folder.path, "data"),
      configFile: path.join(folder.path, "sluice.config.ts"),
      env: { SLUICE_CALLBACK_SECRET: `whsec_${Buffer.alloc(32, 7).toString("base64")} ${secret}` },
    });
    const url = `http://127.0.0.1:${port}/told`;
    const answer = await fetch(`${sluice.url}/v1/queues/orders/requests`, {
      method: "POST",
      body: "7",
      headers: { "sluice-callback": url },
    });
    const { id } = (await answer.json()) as { id: string };
    const [, result = ""] = await receiver.line(new RegExp(`^request\\.done ${id} (.*)$`));
    assert.deepEqual(JSON.parse(result), { contentType: "application/json", bytes: 12, body: { total: 12 } });
    const forged = await fetch(url, {
      method: "POST",
      body: '{"type":"request.done","data":{"id":"forged","result":null}}',
      headers: {
        "webhook-id": "1",
        "webhook-timestamp": String(Math.floor(Date.now() / 1_000)),
        "webhook-signature": "v1,AAAA",
      },
    });
    assert.equal(forged.status, 401);
    assert.doesNotMatch(receiver.output(), /forged/);
  });
}

function block(kind: string): string {
  const [found, more] = [...text.matchAll(/^```(.+)\n([\s\S]*?)^```$/gm)].filter(([, name]) => name === kind);
  if (found === undefined || more !== undefined) throw new Error(`docs/how-to/callbacks.md has not one ${kind}`);
  return found[2] ?? "";
}
