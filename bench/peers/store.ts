// Where Sluice keeps its requests, apart from the processes over it: these may be killed and started again.
import { openCluster, postgresAlone } from "./cluster.ts";
import type { PeerName, PeerProcess, RunningPeer } from "./peer.ts";
import { openFolder } from "./sluice.ts";

export interface Store extends AsyncDisposable {
  /** One Sluice over it. Disposing that one ends its processes politely. */
  start(options: StartOptions): Promise<RunningSluice>;
}

export interface StartOptions {
  readonly configFile: string;
  readonly isWorking: boolean;
  /** Where its gateway leaves a CPU profile when it is stopped. */
  readonly profileFolder?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

export interface RunningSluice extends RunningPeer {
  readonly queueUrl: string;
  /** Those of its processes that are Sluice's own, without the servers beneath. */
  readonly own: readonly PeerProcess[];
  /** The first line that fits of what its worker prints. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** Kills its own processes; resolves once they have ended. */
  kill(): Promise<void>;
}

/** A store of the peer's engine. The embedded one keeps it in the folder. */
export function openStore(peer: PeerName, folder: string): Promise<Store> {
  switch (peer) {
    case "sluice":
      return openFolder(folder);
    case "cluster":
      return openCluster();
    case "cluster-postgres":
      return openCluster(postgresAlone);
    case "bare":
    case "bullmq":
    case "textbook":
    case "pg-boss":
    case "graphile-worker":
      throw new Error(`${peer} has no store of Sluice's`);
    default:
      return peer satisfies never;
  }
}
