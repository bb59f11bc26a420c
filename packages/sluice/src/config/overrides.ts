// What a command line may say instead of sluice.config.ts.

/** Flags, and for most of them the environment behind: each goes before the file. */
export interface Overrides {
  readonly data?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly adminPort?: string | undefined;
  readonly adminHost?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly keys?: string | undefined;
  readonly withoutKeys?: true | undefined;
  /** With commas between. */
  readonly hosts?: string | undefined;
  readonly activityLog?: string | undefined;
  readonly cors?: string | undefined;
  readonly retention?: string | undefined;
  readonly bodyMax?: string | undefined;
  readonly diskFreeMin?: string | undefined;
  readonly linger?: string | undefined;
  readonly grace?: string | undefined;
  /** One queue without a file. */
  readonly queue?: string | undefined;
  readonly target?: string | undefined;
  readonly rate?: string | undefined;
  readonly concurrency?: string | undefined;
  readonly timeout?: string | undefined;
  /** `Name: value`, each. */
  readonly targetHeader?: readonly string[] | undefined;
  /** `append` or `fixed`. */
  readonly targetPath?: string | undefined;
  /** With commas between. */
  readonly targetAllow?: string | undefined;
  /** A port, or host:port. */
  readonly front?: string | undefined;
  /** False where the flag says so. */
  readonly passThrough?: boolean | undefined;
  /** Of every queue. */
  readonly min?: string | undefined;
  readonly max?: string | undefined;
  readonly maxWait?: string | undefined;
  readonly hold?: string | undefined;
  /** The folder of the spool, and its size. */
  readonly spool?: string | undefined;
  readonly spoolMax?: string | undefined;
  readonly databaseUrl?: string | undefined;
  readonly amqpUrl?: string | undefined;
  readonly redisUrl?: string | undefined;
  readonly prefix?: string | undefined;
}
