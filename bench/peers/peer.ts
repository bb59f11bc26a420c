// What the bench must be able to do with each peer.

export const peerNames = [
  "bare",
  "bullmq",
  "textbook",
  "pg-boss",
  "graphile-worker",
  "sluice",
  "cluster",
  "cluster-postgres",
] as const;
export type PeerName = (typeof peerNames)[number];

export interface Peer {
  readonly name: PeerName;
  start(options: PeerOptions): Promise<RunningPeer>;
}

export interface PeerOptions {
  /** An empty folder for its files. */
  readonly folder: string;
  /** Whether requests are worked on, or only taken in. */
  readonly isWorking: boolean;
  /** Where its gateway leaves a CPU profile when it is stopped. */
  readonly profileFolder?: string | undefined;
  /** What its processes get besides: settings of one scenario. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

export interface RunningPeer extends AsyncDisposable {
  /** Where a request is POSTed. */
  readonly intakeUrl: string;
  /** Every process that does a part of the work, servers included; their children are found. */
  readonly processes: readonly PeerProcess[];
  counts(): Promise<Counts>;
}

export interface PeerProcess {
  readonly role: Role;
  readonly pid: number;
}

/** What a process does of the work. The embedded engine has gateway and worker in one. */
export type Role = "gateway" | "worker" | "gateway and worker" | "postgres" | "rabbitmq" | "redis";

export interface Counts {
  readonly accepted: number;
  /** Those whose result is stored. */
  readonly finished: number;
}
