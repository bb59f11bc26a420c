// node play.ts FOLDER BURST SEED: the run itself, on a network of its own with nothing but a loopback. The images are in
// FOLDER already. Ends with 0 when all is as it has to be.
import { join } from "node:path";
import { seededRandom } from "../../packages/sluice/src/core/seeded-random.ts";
import { conclude, figuresOf } from "../conclusion.ts";
import { parcelSource } from "../parcel.ts";
import { Sender } from "../sender.ts";
import { Curve } from "./curve.ts";
import { scaledLine } from "./docker-events.ts";
import { startDocker, type Docker } from "./docker.ts";
import { released } from "./jail.ts";
import { bringUpLoopback } from "./loopback.ts";
import { openProgress } from "./progress.ts";
import { bounds, gatewayUrl, stackName } from "./stack.ts";
import { SwarmStage, workerService } from "./swarm-stage.ts";
import { swarmReport } from "./swarm-report.ts";
import { judge } from "./verdict.ts";
import { withinOf, type Within } from "./within.ts";

const [folder = "", burst = "", seed = ""] = process.argv.slice(2);
const { tell, failed, stopped } = openProgress();

const stop = released();

try {
  await bringUpLoopback();
  await using docker = await startDocker({ folder: join(folder, "docker") });
  process.exitCode = await play(docker, withinOf(stop));
} catch (error) {
  process.exitCode = stop.aborted ? stopped() : failed(error);
}

async function play(docker: Docker, within: Within): Promise<number> {
  await using stage = await within(60, "the stack to be taken", SwarmStage.open({ docker, folder }));
  try {
    return await playOn(stage, within);
  } catch (error) {
    if (!stop.aborted) tell(await whatIsThere(docker));
    throw error;
  }
}

async function playOn(stage: SwarmStage, within: Within): Promise<number> {
  tell(`deployed deploy/swarm/stack.yaml as ${stackName}`);
  await using curve = new Curve(gatewayUrl);
  await within(240, "each service to be healthy", stage.healthy());
  await within(60, "the first worker to be present", curve.present(bounds.min));
  const before = { events: stage.events.length, samples: curve.samples.length - 1 };
  tell(`healthy, after ${stage.events.filter(({ kind }) => kind === "ended").length} ends of containers on the way`);
  const senders = await burstAndTrickle(stage, curve, within);
  const concluded = conclude({ urls: [gatewayUrl], senders });
  const { readings, violations } = await within(300, "all to be read back", concluded);
  const brokerDepth = await stage.brokerDepthAtRest();
  const events = stage.events.slice(before.events);
  await curve[Symbol.asyncDispose]();
  tellDecisions(await stage.logs("autoscaler"));
  const exitCodes = await within(120, "the stack to end", stage.takeDown());
  const figures = figuresOf(folder, { ledger: stage.ledger, readings });
  const samples = curve.samples.slice(before.samples);
  const evidence = { bounds, events, workerService, samples, figures, conclusion: violations, brokerDepth, exitCodes };
  const wrong = judge(evidence);
  console.log(swarmReport(evidence, wrong));
  return wrong.length === 0 ? 0 : 1;
}

/** A burst that one worker is too slow for, then a trickle for as long as workers are let go. */
async function burstAndTrickle(stage: SwarmStage, curve: Curve, within: Within): Promise<readonly Sender[]> {
  const [crowd, trickle] = ["burst", "trickle"].map(
    (name) => new Sender(stage.ledger, parcelSource(name, seededRandom(Number(seed), name))),
  ) as [Sender, Sender];
  const sending = new AbortController();
  const send = { url: gatewayUrl, signal: sending.signal };
  try {
    await stage.target.behave("wait:100");
    await within(120, "the burst to be accepted", crowd.send({ ...send, concurrency: 32, newMax: Number(burst) }));
    tell(`${crowd.ids.length} accepted`);
    await goesTo(bounds.max, { stage, curve, within });
    await within(180, "the burst to be finished", curve.drained());
    tell("the burst is finished; a trickle goes on, each for a second, so that whoever is let go holds something");
    await stage.target.behave("wait:1000");
    const trickling = trickle.send({ ...send, concurrency: 4, restMs: 1_000, newMax: Number.POSITIVE_INFINITY });
    await goesTo(bounds.min, { stage, curve, within });
    sending.abort();
    await trickling;
    tell(`${trickle.ids.length} accepted meanwhile`);
    return [crowd, trickle];
  } finally {
    sending.abort();
  }
}

interface Watched {
  readonly stage: SwarmStage;
  readonly curve: Curve;
  readonly within: Within;
}

async function goesTo(workers: number, { stage, curve, within }: Watched): Promise<void> {
  const asked = stage.happened(scaledLine(workerService, workers));
  await within(180, `the autoscaler to ask for ${workers} workers`, asked);
  tell(`the autoscaler asked for ${workers}, with a backlog of ${curve.samples.at(-1)?.backlog}`);
  await within(90, `${workers} workers to be present`, curve.present(workers));
  tell(`present: ${workers}`);
}

function tellDecisions(log: string): void {
  const decisions = log.matchAll(/"from":(\d+),"to":(\d+),"reason":"\w+","because":"([^"]*)"/g);
  for (const [, from, to, because] of decisions) tell(`it went from ${from} to ${to}: ${because}`);
}

/** For whoever looks for the reason of a failure. */
async function whatIsThere(docker: Docker): Promise<string> {
  const services = (await docker.run(["service", "ls", "--format", "{{.Name}}"])).split("\n");
  const logs = services.map(async (name) => {
    await using child = await docker.follow(["service", "logs", "--tail", "20", name]);
    await child.exited;
    return child.output();
  });
  return [await docker.run(["stack", "ps", "--no-trunc", stackName]), ...(await Promise.all(logs))].join("\n");
}
