// Root file systems for images, where none can be pulled: a small Debian of the machine's mirror, and the Node.js at hand.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findProgram } from "@sluice/testing";

export interface DebianRoots {
  /** A tar with Node.js and npm. */
  readonly base: string;
  /** A tar with PostgreSQL, RabbitMQ and Redis, and an entry point that starts any of them. */
  readonly servers: string;
  /** What the machine trusts is in `base` under this path, if it has that file. */
  readonly certificates: string | undefined;
}

export interface DebianRootsOptions {
  /** A folder for what is not ready yet; whoever made it removes it. */
  readonly building: string;
  readonly tell: (line: string) => void;
  readonly signal: AbortSignal;
}

const execute = promisify(execFile);
const script = fileURLToPath(new URL("./debian-roots.sh", import.meta.url));
const entrypoint = fileURLToPath(new URL("./server-entrypoint.sh", import.meta.url));
const certificates = "/etc/ssl/certs/ca-certificates.crt";

/**
 * The first call builds them, which takes minutes and the network; they are kept in `SLUICE_CACHE`, or the system's
 * temporary folder, until what they are made from is another.
 */
export async function debianRoots({ building, tell, signal }: DebianRootsOptions): Promise<DebianRoots> {
  const folder = join(process.env["SLUICE_CACHE"] ?? tmpdir(), `sluice-swarm-${await nameOfContent()}`);
  if (!existsSync(folder)) {
    tell(`building a small Debian 13 in ${folder}: this takes minutes, and is done once`);
    await build(folder, building, signal);
  }
  return {
    base: join(folder, "base.tar"),
    servers: join(folder, "servers.tar"),
    certificates: existsSync(certificates) ? certificates : undefined,
  };
}

async function nameOfContent(): Promise<string> {
  const sources = [script, entrypoint, process.execPath, ...(existsSync(certificates) ? [certificates] : [])];
  const hash = createHash("sha256");
  for (const source of sources) hash.update(await readFile(source));
  return hash.digest("hex").slice(0, 16);
}

async function build(folder: string, building: string, signal: AbortSignal): Promise<void> {
  const debootstrap = findProgram({ program: "debootstrap", debianPackage: "debootstrap" });
  const args = [script, folder, building, debootstrap, process.execPath, certificates, entrypoint];
  await mkdir(building, { recursive: true });
  await execute("flock", [`${folder}.lock`, "sh", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    maxBuffer: 2 ** 26,
    signal,
  });
}
