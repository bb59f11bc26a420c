// What the figures were measured on.
import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";

export function describeMachine(): string {
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores of ${cpus()[0]?.model.trim() ?? "an unknown processor"}, ${gib} GiB, Linux ${release()}`;
}

/** Of the code; undefined outside of a repository. */
export function describeCommit(): string | undefined {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return undefined; // no git, or no repository
  }
}
