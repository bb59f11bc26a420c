// The activity log: who did what to queues, requests, API keys and schedules. Pure: where it is kept is not known here.

/** What is kept: the newest. */
export const activityMax = 100_000;

export const activityKinds = [
  "paused",
  "resumed",
  "replayed",
  "cancelled",
  "healed",
  "group-set",
  "order-released",
  "key-created",
  "key-revoked",
  "schedule-added",
] as const;
export type ActivityKind = (typeof activityKinds)[number];

export interface Activity {
  /** Milliseconds since 1970, by the store's clock; of a key, the time in its file. */
  readonly at: number;
  readonly what: ActivityKind;
  /** A queue's name, a request's id, a key's name and id, or a schedule's name with its queue and its times. */
  readonly about: string;
  /** How many requests it changed, where it is about requests. */
  readonly requests: number | undefined;
  /** The name of the API key that it was done with; undefined where there are no keys, and for keys and schedules, which are made by hand. */
  readonly key: string | undefined;
  readonly sender: string | undefined;
  /** Where the call came from: of the proxy, where one is in front. */
  readonly address: string | undefined;
}

/** One that is kept, with its number: later ones have higher numbers. */
export interface KeptActivity extends Activity {
  readonly no: number;
}

/** As a store has it. */
export interface ActivityRow {
  readonly no: number;
  readonly at: number;
  readonly what: ActivityKind;
  readonly about: string;
  readonly requests: number | null;
  readonly key: string | null;
  readonly sender: string | null;
  readonly address: string | null;
}

export function keptActivityOf({ requests, key, sender, address, ...row }: ActivityRow): KeptActivity {
  return {
    ...row,
    requests: requests ?? undefined,
    key: key ?? undefined,
    sender: sender ?? undefined,
    address: address ?? undefined,
  };
}

export interface ActivityAsk {
  readonly limit: number;
  /** Only those with lower numbers. */
  readonly before?: number | undefined;
}
