import { setTimeout as delay } from "node:timers/promises";
import { graceSeconds } from "../../stage.ts";
import { underLoad, type ClusterScenario, type Fault, type Field } from "../cluster-scenario.ts";

export const sigterm: ClusterScenario = {
  name: "rolling-sigterm",
  numbers: "22",
  fault: "SIGTERM to every process in turn under load, and started again",
  play: (options) => underLoad(options, { name: "rolling", mode: "plain", restMs: 20 }, roll),
};

/** Between the end of what runs and the end of the process. */
const leaveSeconds = 3;

async function roll({ stage, random, wrong }: Field): Promise<Fault> {
  await stage.behave("wait:500"); // so that there is something under way in every worker
  let hits = 0;
  for (const member of stage.members) {
    await delay(random.between(200, 800));
    const seconds = await member.restart();
    if (seconds > graceSeconds + leaveSeconds) wrong.push(`${member.name} took ${seconds.toFixed(1)} s to end`);
    else hits += 1;
  }
  await stage.behave("work");
  return { trials: stage.members.length, hits };
}
