// What is told when a file or folder that an operator named cannot be used: what it is, where, and why.
import { getSystemErrorMessage } from "node:util";
import { messageOf, SluiceError } from "../core/errors.ts";

/** A path may have thousands of characters. */
const shownCharsMax = 200;

/** `bad-config`: the operator can mend it. The error of the operating system is its cause. */
export function unusable(what: string, path: string, cause: unknown): SluiceError {
  return new SluiceError("bad-config", `${what} ${pathText(path)} cannot be used: ${reasonOf(cause)}`, { cause });
}

/** A path on one line, and within bounds. */
export function pathText(path: string): string {
  const shown = path.length <= shownCharsMax ? path : `${path.slice(0, shownCharsMax)}…`;
  return /\p{Cc}/u.test(shown) ? JSON.stringify(shown) : shown;
}

/** Node.js repeats the path in its messages, however long it is. */
export function reasonOf(cause: unknown): string {
  const errno = cause instanceof Error && "errno" in cause ? cause.errno : undefined;
  return typeof errno === "number" ? getSystemErrorMessage(errno) : messageOf(cause);
}
