// A process that is one of many in a cluster: `sluice gateway` or `sluice worker`.
import { hostname } from "node:os";
import { join } from "node:path";
import {
  servedQueues,
  type MemberSettings,
  type QueueSettings,
  type ServerSettings,
  type SpoolSettings,
  type WorkedQueue,
} from "../config/settings.ts";
import type { Sources } from "../config/read-settings.ts";
import type { Engine } from "../engine/engine.ts";
import type { ClusterEngine } from "../engines/cluster/engine.ts";
import type { SpoolInOptions } from "../engines/cluster/move/spool-in.ts";
import type { SpoolStore } from "../engine/spool.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Meter } from "../telemetry/meter.ts";
import { prepareSchedules } from "./prepare-schedules.ts";
import { copyNo } from "./parent.ts";
import { whenReachable } from "./reach.ts";
import { isParent, runReplicas } from "./replicas.ts";
import { openRoleLog, sourcesOf, type MemberOptions } from "./role-flags.ts";
import { runRole } from "./run-role.ts";
import type { CallbackWork, Parts, Server } from "./serve.ts";

export interface Member extends Pick<Parts, "intake" | "work" | "metrics"> {
  readonly role: "gateway" | "worker";
  readonly settings: MemberSettings & { readonly queues: readonly QueueSettings[] };
  readonly spool?: SpoolSettings | undefined;
}

/** Runs a member until it is asked to stop, or with --replicas the parent of several. */
export async function runMember(options: MemberOptions, read: (sources: Sources) => Member): Promise<void> {
  const log = await openRoleLog(options);
  if (isParent(options.replicas)) return runReplicas(options.replicas, log);
  const { role, settings, spool, ...parts } = read(await sourcesOf(options));
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
    const schedules = parts.intake && { schedules: await prepareSchedules(parts.intake, queues), retentionMs };
    const start = async (): Promise<Server> => {
      const meter = new Meter();
      const onCommit = commitMeter(meter);
      const openLedger = (): Promise<ClusterEngine> =>
        openCluster({ servers, queues, name, log: memberLog, durability, retentionMs, onCommit });
      const spooling = {
        servers,
        name,
        durability,
        queues,
        openLedger,
        log: memberLog,
        meter,
      };
      const engine = spool === undefined ? await openLedger() : await openSpool(spool, spooling);
      const isCallingBack = role === "worker" && callbacks !== undefined;
      const calling = isCallingBack ? await callbackWork(callbacks, servers) : undefined;
      return serve({ role, engine, queues, ...parts, schedules, callbacks: calling, log: memberLog, meter });
    };
    return whenReachable(start, { waitMs: options.waitForServers, log: memberLog });
  }, memberLog);
}

interface Spooling {
  readonly servers: ServerSettings;
  readonly name: string;
  readonly durability: MemberSettings["durability"];
  readonly queues: readonly QueueSettings[];
  readonly openLedger: () => Promise<ClusterEngine>;
  readonly log: Logger;
  readonly meter: Meter;
}

/** Each copy of a gateway has a spool of its own. */
async function openSpool({ folder, bytesMax }: SpoolSettings, spooling: Spooling): Promise<Engine> {
  const { servers, name, durability, queues, log, meter } = spooling;
  const [{ openSpooled }, { openSpoolStore }, { SpoolIn }, { carriersOf }] = await Promise.all([
    import("../spool/spooled-engine.ts"),
    import("../engines/embedded/spool-store.ts"),
    import("../engines/cluster/move/spool-in.ts"),
    import("../engines/cluster/options.ts"),
  ]);
  const no = copyNo();
  const own = no === 1 ? folder : join(folder, `copy-${no}`);
  const openStore = (): Promise<SpoolStore> => openSpoolStore({ folder: own, owner: name, queues });
  let ledger: ClusterEngine | undefined;
  const openLedger = async (): Promise<Engine> => (ledger = await spooling.openLedger());
  const tell: SpoolInOptions["tell"] = async (rows) => ledger?.tell(rows);
  const sink = new SpoolIn({ databaseUrl: servers.databaseUrl, name, needsStandby: durability === "standby", tell });
  return openSpooled({ openStore, openLedger, carriers: carriersOf(servers), sink, bytesMax, log, meter });
}

/** Each worker posts callbacks; one at a time turns outcomes into them. */
async function callbackWork(queue: WorkedQueue, { databaseUrl }: ServerSettings): Promise<CallbackWork> {
  const { openLeadership } = await import("../engines/cluster/members/leadership.ts");
  return { queue, leadership: openLeadership(databaseUrl, { scope: "callbacks", silentMs: leaderSilentMs }) };
}

const leaderSilentMs = 15_000;
