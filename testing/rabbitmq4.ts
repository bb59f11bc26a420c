import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { RabbitmqRelease } from "./rabbitmq.ts";
import { findProgram } from "./system-program.ts";

// Nothing is mounted in the folder, so RabbitMQ cannot read there how much memory there is, and how much it has.
const withoutProc = {
  total_memory_available_override_value: String(totalmem()),
  vm_memory_calculation_strategy: "allocated",
};

const execute = promisify(execFile);

/**
 * RabbitMQ 4 of Debian 13, for `startRabbitmq`. The first call builds a small Debian 13, which takes minutes and needs
 * the network; it is kept in `SLUICE_CACHE`, or the system's temporary folder. Needs root.
 */
export async function rabbitmq4(): Promise<RabbitmqRelease> {
  if (process.getuid?.() !== 0) {
    throw new Error("RabbitMQ 4 runs through chroot, which needs root: run as root, or without SLUICE_TEST_RABBITMQ=4");
  }
  const root = join(process.env["SLUICE_CACHE"] ?? tmpdir(), "sluice-debian-13");
  if (!existsSync(root)) await build(root);
  return { root, settings: withoutProc };
}

async function build(root: string): Promise<void> {
  const debootstrap = findProgram({ program: "debootstrap", debianPackage: "debootstrap" });
  process.stderr.write(`building Debian 13 with RabbitMQ 4 in ${root}: this takes minutes, and is done once\n`);
  // Test files run at the same time: the first one builds, the others wait for it.
  await execute("flock", [`${root}.lock`, "sh", "-c", buildScript, "sh", root, debootstrap], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    maxBuffer: 2 ** 26,
  });
}

// It appears under its name only when it is complete. policy-rc.d keeps the package from starting its service.
const buildScript = `
set -e
if [ -e "$1" ]; then exit 0; fi
building=$(mktemp -d "$1.XXXXXX")
trap 'exit 1' INT TERM
trap 'rm -rf --one-file-system "$building"' EXIT
"$2" --variant=minbase trixie "$building" http://deb.debian.org/debian
printf '#!/bin/sh\\nexit 101\\n' > "$building/usr/sbin/policy-rc.d"
chmod +x "$building/usr/sbin/policy-rc.d"
echo '127.0.0.1 localhost' > "$building/etc/hosts"
chroot "$building" apt-get install -q -y --no-install-recommends rabbitmq-server
chroot "$building" apt-get clean
chmod 755 "$building"
mv -T "$building" "$1"
`;
