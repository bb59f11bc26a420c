// What was stored, or what a server answers, on a terminal: spelled out, where it could steer it. `script` gives it one.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { sluiceCommand } from "@sluice/testing";
import {
  openScriptedGateway,
  problem,
  requestOf,
  type Scripted,
  type Seen,
} from "../../../client/test/scripted-gateway.ts";
import { runSluice } from "../../test/run-sluice.ts";

/** A title and a colour in 7 and 8 bits, a return that hides what it follows, text that runs backwards, and what nobody sees. */
const hostile = "a\x1b]0;title\x07b\u009b31mc\rd\u202eetxt\u2069\x7f\u2028\u200b\u00ad\ufeff\u{e0041}\n\tend";
const steering = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

function answer({ path }: Seen): Scripted {
  const failure = { code: "rejected", message: hostile };
  if (path.endsWith("/body")) return { status: 200, headers: { "content-type": "text/plain" }, body: hostile };
  if (path === "/v1/requests") return { status: 200, body: { requests: [dead(failure)], nextCursor: null } };
  return path.endsWith("/id-2") ? problem(404, "not-found", { detail: hostile }) : { status: 200, body: dead(failure) };
}

function dead(lastError: object): object {
  return requestOf("id-1", { state: "dead", key: hostile, lastError });
}

async function onTerminal(url: string, args: string): Promise<string> {
  const command = `"${process.execPath}" "${sluiceCommand}" ${args}`;
  const child = spawn("script", ["-qfec", command, "/dev/null"], {
    env: { ...process.env, SLUICE_URL: url },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return (await text(child.stdout)).replaceAll("\r\n", "\n");
}

test("a terminal gets no control character from outside, in bodies, fields, tables, JSON and errors", async () => {
  await using gateway = await openScriptedGateway(answer);
  const shown =
    "a\\u001b]0;title\\u0007b\\u009b31mc\\u000dd\\u202eetxt\\u2069\\u007f\\u2028\\u200b\\u00ad\\ufeff\\udb40\\udc41\n\tend\n";
  assert.equal(await onTerminal(gateway.url, "get id-1 --body"), shown);
  for (const args of ["get id-1", "get id-1 --json", "dead list", "get id-2", "get id-2 --json"]) {
    const output = await onTerminal(gateway.url, args);
    assert.match(output, /a\\u001b\]0;title\\u0007b\\u009b31mc/, args);
    assert.doesNotMatch(output, steering, args);
  }
});

test("a pipe gets the bytes as they are", async () => {
  await using gateway = await openScriptedGateway(answer);
  assert.equal((await runSluice({ args: ["get", "id-1", "--body"], url: gateway.url })).stdout, hostile);
  const { stdout } = await runSluice({ args: ["get", "id-1", "--json"], url: gateway.url });
  assert.equal((JSON.parse(stdout) as { key: string }).key, hostile);
});

test("a pretty log spells out what errors and names bring from outside", async () => {
  const code = `
    import { openLog } from ${JSON.stringify(new URL("../telemetry/log.ts", import.meta.url).href)};
    const err = Object.assign(new Error(${JSON.stringify(hostile)}), { code: ${JSON.stringify(hostile)} });
    openLog({ level: "info", isPretty: true }).info({ err, queue: err.message }, err.message);`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", code]);
  const output = await text(child.stderr);
  assert.match(output, /a\\u001b\]0;title/);
  assert.doesNotMatch(output, steering);
});
