// RabbitMQ raises an alarm and takes nothing from those who publish. What is under way must come to its end all the same.
import { underLoad, type ClusterScenario, type Fault, type Field } from "../cluster-scenario.ts";
import type { ClusterStage } from "../cluster-stage.ts";
import { acceptedWithin, whenClear, whenShown, whenTrue } from "../observe.ts";

type Orders = readonly (readonly string[])[];

/** For rabbitmqctl. */
interface Alarm {
  readonly raise: Orders;
  readonly lift: Orders;
}

const memory: Alarm = {
  raise: [["set_vm_memory_high_watermark", "0.0001"]],
  lift: [["set_vm_memory_high_watermark", "0.4"]],
};
/** By hand as well: RabbitMQ in another release's folder cannot see how much room its disk has. */
const disk: Alarm = {
  raise: [
    ["set_disk_free_limit", "1000000000000000"],
    ["eval", "rabbit_alarm:set_alarm({{resource_limit, disk, node()}, []})."],
  ],
  lift: [
    ["set_disk_free_limit", "50000000"],
    ["eval", "rabbit_alarm:clear_alarm({resource_limit, disk, node()})."],
  ],
};

export const brokerAlarms: readonly ClusterScenario[] = [
  {
    name: "memory-alarm",
    numbers: "11",
    needs: ["rabbitmq"],
    fault: "RabbitMQ's memory alarm: publishers are blocked",
    play: (options) => underLoad(options, { name: "memory", mode: "plain" }, (field) => alarm(memory, field)),
  },
  {
    name: "disk-alarm",
    numbers: "11",
    needs: ["rabbitmq"],
    fault: "RabbitMQ's disk alarm: publishers are blocked",
    play: (options) => underLoad(options, { name: "disk", mode: "plain" }, (field) => alarm(disk, field)),
  },
];

const shownMsMax = 20_000;
const emptyMsMax = 30_000;
const clearMsMax = 30_000;
const slowMs = 3_000;

async function alarm({ raise, lift }: Alarm, { stage, servers, wrong }: Field): Promise<Fault> {
  const { rabbitmq } = servers;
  await stage.behave(`wait:${slowMs}`); // so that there are deliveries under way when the alarm comes
  if ((await whenTrue(async () => !(await isEmpty(stage)), emptyMsMax)) === undefined)
    wrong.push("nothing came under way");
  try {
    for (const order of raise) await rabbitmq.now.ctl(...order);
    const from = stage.ledger.lines.length;
    const effects = stage.log("effects").length;
    const codes = ["broker-blocked", "broker-unavailable"];
    wrong.push(...(await whenShown(stage.urls, { codes, status: 200, msMax: shownMsMax })));
    await stage.behave("work");
    if ((await whenTrue(() => isEmpty(stage), emptyMsMax)) === undefined)
      wrong.push("what was under way is not acknowledged while the alarm lasts");
    if (stage.log("effects").length === effects) wrong.push("no delivery was under way when the alarm came");
    const accepted = acceptedWithin(stage.ledger.lines.slice(from));
    if (accepted === 0) wrong.push("nothing was accepted while the alarm lasted");
    return { trials: 1, hits: accepted > 0 ? 1 : 0 };
  } finally {
    for (const order of lift) await rabbitmq.now.ctl(...order);
    wrong.push(...(await whenClear(stage.urls, clearMsMax)));
  }
}

async function isEmpty(stage: ClusterStage): Promise<boolean> {
  const depth = await stage.brokerDepth();
  return [...depth.values()].every((messages) => messages === 0);
}
