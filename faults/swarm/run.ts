// npm run test:swarm -- [--burst N] [--seed N]
import { parseArgs } from "node:util";
import { temporaryFolder } from "@sluice/testing";
import { runJailed } from "./jail.ts";

const help = `Plays deploy/swarm/stack.yaml for real: builds the image, starts a Swarm of one node, sends a burst, sees the autoscaler
take B from 1 to 3 and back to 1, and checks that nothing was lost or doubled.

  npm run test:swarm -- [flags]

  --burst N   requests sent at once (default 6000)
  --seed N    the same seed sends the same bodies; one of the moment unless given, and printed

On Debian, as root; what is missing is installed. About five minutes, and three more the first time. Ctrl-C stops it and cleans
up; a second one at once.
`;

const { values } = parseArgs({
  options: {
    burst: { type: "string", default: "6000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    help: { type: "boolean", default: false },
  },
});

if (values.help) console.log(help);
else process.exitCode = await main();

async function main(): Promise<number> {
  const { burst, seed } = values;
  if (![burst, seed].every((value) => /^[1-9]\d{0,9}$/.test(value))) {
    console.error(help);
    return 64;
  }
  if (process.getuid?.() !== 0) {
    console.error("A Docker Engine and namespaces of one's own need root: run as root.");
    return 78;
  }
  console.error(`seed ${seed}`);
  const signals = handleSignals();
  await using folder = await temporaryFolder();
  const jail = { ...signals, args: [folder.path, burst, seed] };
  const made = await runJailed({ ...jail, script: new URL("./images.ts", import.meta.url), network: "machine" });
  if (made !== 0) return made;
  return await runJailed({ ...jail, script: new URL("./play.ts", import.meta.url), network: "own" });
}

/** The first one asks, the second one ends it. */
function handleSignals(): { readonly stop: AbortSignal; readonly kill: AbortSignal } {
  const [stop, kill] = [new AbortController(), new AbortController()];
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => (stop.signal.aborted ? kill : stop).abort());
  return { stop: stop.signal, kill: kill.signal };
}
