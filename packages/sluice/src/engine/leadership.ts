// One of several processes that does for all of them what must not be done twice. Apart from the Engine's verbs: the
// members of a cluster have their own leader inside, and an embedded engine has one process.

export interface Leadership extends AsyncDisposable {
  /**
   * Whether this process leads now; takes the lead if nobody has it. To be asked before each decision, and at least
   * every `silentMs`: who is silent for longer is deposed. Errors: `store-unavailable`.
   */
  leads(): Promise<boolean>;
}

export interface LeadershipOptions {
  /** What is led, so that each of several things has a leader: `swarm/sluice_worker`. */
  readonly scope: string;
  /** In milliseconds. */
  readonly silentMs: number;
}
