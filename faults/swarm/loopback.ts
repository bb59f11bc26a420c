// The loopback of a network that has just been made is down.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { findProgram } from "@sluice/testing";

const execute = promisify(execFile);

/** To be called once where there is a network, for it may have to be installed. */
export function loopbackProgram(): string {
  return findProgram({ program: "ip", debianPackage: "iproute2" });
}

export async function bringUpLoopback(): Promise<void> {
  await execute(loopbackProgram(), ["link", "set", "lo", "up"]);
}
