/** Every bound of the gateway (I7). */
export interface GatewayLimits {
  readonly bodyBytesMax: number;
  readonly batchBytesMax: number;
  readonly batchLinesMax: number;
  /** What all bodies of single requests that are arriving may hold in memory together; one always has room. */
  readonly arrivingBytesMax: number;
  /** What all batches may hold in memory together until they are stored; one always has room. */
  readonly batchesBytesMax: number;
  readonly headersBytesMax: number;
  /** Until the headers are here. */
  readonly headersTimeoutMs: number;
  /** Until the whole request is here. */
  readonly requestTimeoutMs: number;
  /** How long a connection may be silent between two requests. */
  readonly keepAliveTimeoutMs: number;
  /** How long a connection may be silent in the middle of an answer. */
  readonly silenceTimeoutMs: number;
  readonly connectionsMax: number;
  /** Answers held open at once: waits and event streams. One key has half of them at most. */
  readonly heldMax: number;
  /** The longest `Prefer: wait=N`. */
  readonly waitSecondsMax: number;
  readonly listLimitMax: number;
  /** Lists and counts of many requests that are read at once, and that wait for it. */
  readonly longReadsMax: number;
  readonly longReadsWaitingMax: number;
  /** Callers that wait for an audit. */
  readonly auditWaitingMax: number;
  /** A comment this often keeps an event stream from looking dead. */
  readonly heartbeatMs: number;
  /** What all answers on their way out may hold in memory together, small ones and large ones each; one always has room. */
  readonly outgoingBytesMax: number;
  /** How long a large answer waits for room before it is 503. */
  readonly outgoingWaitMs: number;
  /** How long a client may read nothing of a large answer before it is cut off. */
  readonly stallTimeoutMs: number;
  /** What an event stream may hold back for a client that does not read. */
  readonly streamBytesMax: number;
  /** How long closing waits for a connection on which nothing was sent. */
  readonly silentGraceMs: number;
  /** How long closing waits for answers under way. */
  readonly closeGraceMs: number;
}

const KiB = 1024;
const MiB = 1024 * KiB;

export const defaultGatewayLimits: GatewayLimits = {
  bodyBytesMax: MiB,
  batchBytesMax: 16 * MiB,
  batchLinesMax: 10_000,
  arrivingBytesMax: 64 * MiB,
  batchesBytesMax: 32 * MiB,
  headersBytesMax: 16 * KiB,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 65_000,
  silenceTimeoutMs: 120_000,
  connectionsMax: 10_000,
  heldMax: 5_000,
  waitSecondsMax: 60,
  listLimitMax: 1_000,
  longReadsMax: 2,
  longReadsWaitingMax: 200,
  auditWaitingMax: 100,
  heartbeatMs: 15_000,
  outgoingBytesMax: 64 * MiB,
  outgoingWaitMs: 15_000,
  stallTimeoutMs: 10_000,
  streamBytesMax: 64 * KiB,
  silentGraceMs: 500,
  closeGraceMs: 10_000,
};
