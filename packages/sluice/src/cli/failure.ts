// What a command failed with, in the three ways it is told: an exit code, a sentence, JSON.
import { SluiceClientError } from "@sluice/client";
import { CommanderError } from "commander";
import { messageOf, SluiceError } from "../core/errors.ts";

/** After sysexits(3). */
export const exitCodes = { ok: 0, failed: 1, usage: 64, unreachable: 69, tryAgain: 75, badConfig: 78 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export interface FailureDetails {
  readonly code: string;
  readonly exitCode: ExitCode;
  /** More fields for the JSON form. */
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** A failure that a command itself words. */
export class CommandError extends Error {
  readonly code: string;
  readonly exitCode: ExitCode;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(message: string, { code, exitCode, fields = {}, cause }: FailureDetails) {
    super(message, { cause });
    this.name = "CommandError";
    this.code = code;
    this.exitCode = exitCode;
    this.fields = fields;
  }
}

export function usageError(message: string): CommandError {
  return new CommandError(message, { code: "usage", exitCode: exitCodes.usage });
}

/** Every failure as a CommandError: the one place that decides exit codes. */
export function failureOf(error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  if (error instanceof CommanderError) return usageFailure(error);
  if (error instanceof SluiceClientError) return clientFailure(error);
  if (error instanceof SluiceError) return sluiceFailure(error);
  return new CommandError(messageOf(error), { code: "failed", exitCode: exitCodes.failed, cause: error });
}

function usageFailure(error: CommanderError): CommandError {
  const exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  return new CommandError(error.message.replace(/^error: /, ""), { code: "usage", exitCode, cause: error });
}

function clientFailure(error: SluiceClientError): CommandError {
  const fields = {
    ...(error.status !== undefined && { status: error.status }),
    ...(error.problem && { problem: error.problem }),
  };
  return new CommandError(error.message, { code: error.code, exitCode: clientExitCode(error), fields, cause: error });
}

function clientExitCode({ kind, code, status }: SluiceClientError): ExitCode {
  switch (kind) {
    case "unknown":
      return status === undefined ? exitCodes.unreachable : exitCodes.tryAgain;
    case "unavailable":
    case "timeout":
      return exitCodes.tryAgain;
    case "refused":
      return code === "not-finished" ? exitCodes.tryAgain : exitCodes.failed;
    case "dead":
      return exitCodes.failed;
    default:
      return kind satisfies never;
  }
}

function sluiceFailure(error: SluiceError): CommandError {
  return new CommandError(error.message, { code: error.code, exitCode: sluiceExitCode(error), cause: error });
}

function sluiceExitCode({ code, isRetryable }: SluiceError): ExitCode {
  switch (code) {
    case "bad-config":
    case "unsafe-store":
    case "store-damaged":
    case "schema-missing":
    case "schema-newer":
    case "schema-older":
    case "wrong-queue":
      return exitCodes.badConfig;
    case "unreachable":
      return exitCodes.unreachable;
    default:
      return isRetryable ? exitCodes.tryAgain : exitCodes.failed;
  }
}
