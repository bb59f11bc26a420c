// Programs of the operating system that tests and benchmarks need.
import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, globSync } from "node:fs";
import { delimiter, join } from "node:path";

export interface SystemProgram {
  readonly program: string;
  /** Debian's package that brings it. */
  readonly debianPackage: string;
  /** Where it lies when it is not on PATH, or is not itself there; `*` may stand for a version, the newest is taken. */
  readonly outsidePath?: string | undefined;
}

/**
 * The path of a program. On Debian, as root, a missing one is installed from Debian's own packages;
 * elsewhere a missing one is an error that says what to do.
 */
export function findProgram({ program, debianPackage, outsidePath }: SystemProgram): string {
  const find = (): string | undefined => newestAt(outsidePath) ?? onPath(program);
  const present = find();
  if (present !== undefined) return present;
  if (process.getuid?.() !== 0 || !existsSync("/etc/debian_version")) {
    throw new Error(
      `${program} is needed and was not found. Install it, on Debian with: sudo apt-get install ${debianPackage}. ` +
        "To only run Sluice with its servers: docker compose -f deploy/compose.yaml up",
    );
  }
  process.stderr.write(`${program} is missing: installing Debian's ${debianPackage}\n`);
  installFromDebian(debianPackage);
  const installed = find();
  if (installed === undefined) throw new Error(`apt-get installed ${debianPackage}, but ${program} was not found`);
  return installed;
}

function newestAt(pattern: string | undefined): string | undefined {
  if (pattern === undefined) return undefined;
  const paths = globSync(pattern).filter(isExecutable);
  return paths.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1);
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
  // Test files run at the same time, and apt-get does not wait for the lists' lock.
  execFileSync("/usr/bin/flock", ["/run/lock/sluice-apt.lock", "sh", "-c", installScript, "sh", debianPackage], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "ignore", "inherit"],
  });
}

// policy-rc.d is asked before a package's own service is started; 101 forbids it.
const installScript = `
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'exit 1' INT TERM
  trap "rm -f $policy" EXIT
  printf '#!/bin/sh\\nexit 101\\n' > $policy
  chmod +x $policy
fi
apt-get -o DPkg::Lock::Timeout=120 update -q
apt-get -o DPkg::Lock::Timeout=120 install -q -y --no-install-recommends "$1"
`;
