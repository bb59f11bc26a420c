// Machines beside this one, as far as a network tells: each a network namespace with an address on a bridge. Only inside
// a network that is the run's own (see swarm/jail.ts), which takes all of it along when it ends.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { startChild, type Machine } from "@sluice/testing";
import { loopbackProgram } from "../swarm/loopback.ts";

const execute = promisify(execFile);
const bridge = "sluice0";
const here = "10.77.0.1";

export interface Machines extends AsyncDisposable {
  readonly machines: readonly [Machine, Machine];
  /** What leaves the machine for these others vanishes, until `heal`: neither side is told. */
  cut(machine: Machine, from: readonly ("here" | Machine)[]): Promise<void>;
  heal(machine: Machine): Promise<void>;
}

export async function openMachines(): Promise<Machines> {
  await using resources = new AsyncDisposableStack();
  await ip("link", "add", bridge, "type", "bridge");
  resources.defer(() => ip("link", "delete", bridge));
  await ip("address", "add", `${here}/24`, "dev", bridge);
  await ip("link", "set", bridge, "up");
  const open = async (number: number): Promise<Machine> => {
    const script = "echo entered; exec sleep infinity";
    const holder = resources.use(await startChild({ command: "unshare", args: ["--net", "sh", "-c", script] }));
    await holder.line(/entered/);
    const host = `10.77.0.${number + 1}`;
    const machine = { host, enter: ["nsenter", "--net", "--target", String(holder.pid)] };
    const outside = `sluice${number}`;
    await ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", String(holder.pid));
    await ip("link", "set", outside, "master", bridge, "up");
    await inside(machine, "address", "add", `${host}/24`, "dev", "eth0");
    await inside(machine, "link", "set", "eth0", "up");
    await inside(machine, "link", "set", "lo", "up");
    return machine;
  };
  const machines = [await open(1), await open(2)] as const;
  const owned = resources.move();
  return {
    machines,
    async cut(machine, from) {
      for (const other of from)
        await inside(machine, "route", "add", "blackhole", other === "here" ? here : other.host);
    },
    async heal(machine) {
      await inside(machine, "route", "flush", "type", "blackhole");
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function ip(...args: readonly string[]): Promise<void> {
  await execute(loopbackProgram(), args);
}

async function inside({ enter }: Machine, ...args: readonly string[]): Promise<void> {
  const [command, ...others] = [...enter, loopbackProgram(), ...args];
  await execute(command as string, others);
}
