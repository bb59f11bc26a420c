// A process that is one of many in a cluster: `sluice gateway` or `sluice worker`.
import { hostname } from "node:os";
import {
  servedQueues,
  type MemberSettings,
  type QueueSettings,
  type ServerSettings,
  type WorkedQueue,
} from "../config/settings.ts";
import type { Sources } from "../config/read-settings.ts";
import { whenReachable } from "./reach.ts";
import { isParent, runReplicas } from "./replicas.ts";
import { openRoleLog, sourcesOf, type MemberOptions } from "./role-flags.ts";
import { runRole } from "./run-role.ts";
import type { CallbackWork, Parts, Server } from "./serve.ts";

export interface Member extends Pick<Parts, "intake" | "work" | "metrics"> {
  readonly role: "gateway" | "worker";
  readonly settings: MemberSettings & { readonly queues: readonly QueueSettings[] };
}

/** Runs a member until it is asked to stop, or with --replicas the parent of several. */
export async function runMember(options: MemberOptions, read: (sources: Sources) => Member): Promise<void> {
  const log = await openRoleLog(options);
  if (isParent(options.replicas)) return runReplicas(options.replicas, log);
  const { role, settings, ...parts } = read(await sourcesOf(options));
  const name = `${role} ${process.pid} on ${hostname()}`;
  const memberLog = log.child({ name });
  await runRole(async () => {
    const [{ serve }, { openCluster }, { commitMeter }, { Meter }] = await Promise.all([
      import("./serve.ts"),
      import("../engines/cluster/open.ts"),
      import("../engine/measured.ts"),
      import("../telemetry/meter.ts"),
    ]);
    const { servers, durability, retentionMs, callbacks } = settings;
    const queues = servedQueues(settings);
    const start = async (): Promise<Server> => {
      const meter = new Meter();
      const onCommit = commitMeter(meter);
      const engine = await openCluster({ servers, queues, name, log: memberLog, durability, retentionMs, onCommit });
      const isCallingBack = role === "worker" && callbacks !== undefined;
      const calling = isCallingBack ? await callbackWork(callbacks, servers) : undefined;
      return serve({ role, engine, queues, ...parts, callbacks: calling, log: memberLog, meter });
    };
    return whenReachable(start, { waitMs: options.waitForServers, log: memberLog });
  }, memberLog);
}

/** Each worker posts callbacks; one at a time turns outcomes into them. */
async function callbackWork(queue: WorkedQueue, { databaseUrl }: ServerSettings): Promise<CallbackWork> {
  const { openLeadership } = await import("../engines/cluster/members/leadership.ts");
  return { queue, leadership: openLeadership(databaseUrl, { scope: "callbacks", silentMs: leaderSilentMs }) };
}

const leaderSilentMs = 15_000;
