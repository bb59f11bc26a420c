import assert from "node:assert/strict";
import { test } from "node:test";
import { SluiceError, type ErrorCode } from "../core/errors.ts";
import { exitCodes, failureOf, type ExitCode } from "./failure.ts";

const expected: readonly (readonly [ErrorCode, ExitCode])[] = [
  ["bad-config", exitCodes.badConfig],
  ["unsafe-store", exitCodes.badConfig],
  ["schema-missing", exitCodes.badConfig],
  ["schema-older", exitCodes.badConfig],
  ["schema-newer", exitCodes.badConfig],
  ["wrong-queue", exitCodes.badConfig],
  ["unreachable", exitCodes.unreachable],
  ["store-unavailable", exitCodes.tryAgain],
  ["folder-owned", exitCodes.tryAgain],
  ["internal", exitCodes.failed],
];

for (const [code, exitCode] of expected) {
  test(`a start that fails with ${code} ends with ${exitCode}`, () => {
    assert.equal(failureOf(new SluiceError(code, "why")).exitCode, exitCode);
  });
}
