// Programs of the operating system that tests and benchmarks need.
import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";

export interface SystemProgram {
  readonly program: string;
  /** Debian's package that brings it. */
  readonly debianPackage: string;
}

/**
 * The path of a program. On Debian, as root, a missing one is installed from Debian's own packages;
 * elsewhere a missing one is an error that says what to install.
 */
export function findProgram({ program, debianPackage }: SystemProgram): string {
  const present = onPath(program);
  if (present !== undefined) return present;
  if (process.getuid?.() !== 0 || !existsSync("/etc/debian_version")) {
    throw new Error(
      `${program} is needed and not on PATH. Install it, on Debian with: sudo apt-get install ${debianPackage}`,
    );
  }
  process.stderr.write(`${program} is missing: installing Debian's ${debianPackage}\n`);
  installFromDebian(debianPackage);
  const installed = onPath(program);
  if (installed === undefined) throw new Error(`apt-get installed ${debianPackage}, but ${program} is not on PATH`);
  return installed;
}

function onPath(program: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // absent or not executable: either way it is not the one
  }
}

function installFromDebian(debianPackage: string): void {
  // Runlevel 1: the package's own service is not started.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const wait = ["-o", "DPkg::Lock::Timeout=120"];
  execFileSync("apt-get", [...wait, "update", "-q"], { env, stdio: "ignore" });
  execFileSync("apt-get", [...wait, "install", "-q", "-y", "--no-install-recommends", debianPackage], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
}
