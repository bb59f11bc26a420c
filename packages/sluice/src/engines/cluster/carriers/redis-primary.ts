// Finds the Redis that takes what it is given: one of the hosts of a URL, or the primary that its Sentinels name.
import { createClient } from "redis";
import { messageOf } from "../../../core/errors.ts";
import { addressOf, nodesOf, redisPlaceOf } from "../../../core/server-url.ts";

export type CacheClient = ReturnType<typeof clientOf>;

/** For each step: to ask a Sentinel, and to connect and try a Redis. */
export const connectMsMax = 2_000;
const unansweredMax = 10_000;

/**
 * Asks each host or Sentinel once, in the order of the URL, so that all processes end at the same one. One that `tryOut`
 * rejects is passed over. Rejects with what each of them said. The client does not reconnect.
 */
export async function connectPrimary(
  url: string,
  tryOut: (client: CacheClient) => Promise<unknown>,
  signal: AbortSignal,
): Promise<CacheClient> {
  const failures = new Set<string>();
  for (const node of nodesOf(url)) {
    signal.throwIfAborted();
    try {
      return await connectRedis(await redisUrlOf(node, signal), tryOut, signal);
    } catch (error) {
      failures.add(messageOf(error));
    }
  }
  throw new Error([...failures].join("; "));
}

/** A Sentinel's URL becomes that of the primary it names. Errors: what kept it from naming one. */
export async function redisUrlOf(node: string, signal: AbortSignal): Promise<string> {
  const { primary, database } = redisPlaceOf(node);
  if (primary === undefined) return node;
  const { protocol, username, password } = new URL(node);
  const address = await askSentinel(node, primary, signal);
  const login = username === "" && password === "" ? "" : `${username}:${password}@`;
  return `${protocol.replace("+sentinel", "")}//${login}${address}/${database}`;
}

async function connectRedis(
  url: string,
  tryOut: (client: CacheClient) => Promise<unknown>,
  signal: AbortSignal,
): Promise<CacheClient> {
  const client = clientOf(url);
  client.on("error", () => undefined); // what is under way rejects
  const tried = client.connect().then(() => tryOut(client));
  try {
    await answered(tried, signal);
    return client;
  } catch (error) {
    client.destroy();
    throw new Error(`${addressOf(url)}: ${messageOf(error)}`, { cause: error });
  }
}

/** `host:port` */
async function askSentinel(node: string, primary: string, signal: AbortSignal): Promise<string> {
  const { protocol, hostname, port } = new URL(node);
  const url = `${protocol.replace("+sentinel", "")}//${hostname}:${port || "26379"}`;
  const client = createClient({ ...settingsOf(url), RESP: 2, disableClientInfo: true });
  client.on("error", () => undefined); // what is under way rejects
  const ask = (): Promise<unknown> => client.sendCommand(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", primary]);
  try {
    const answer = await answered(
      client.connect().then(async () => {
        try {
          return await ask();
        } catch (error) {
          const { username, password } = new URL(node);
          if (password === "" || !messageOf(error).startsWith("NOAUTH")) throw error;
          await client.sendCommand(["AUTH", ...[username, password].filter(Boolean).map(decodeURIComponent)]);
          return await ask();
        }
      }),
      signal,
    );
    return addressIn(answer);
  } catch (error) {
    throw new Error(`the Sentinel ${hostname}:${port || "26379"} names no primary ${primary}: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    client.destroy();
  }
}

function addressIn(answer: unknown): string {
  if (answer === null) throw new Error("it does not know it");
  const [host, port] = Array.isArray(answer) ? answer.map(String) : [];
  const address = `${host?.includes(":") ? `[${host}]` : host}:${port}`;
  if (host === undefined || !/^[\w.:-]+$/.test(host) || URL.parse(`redis://${address}`) === null)
    throw new Error("its answer is no address");
  return address;
}

async function answered<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => reject(new Error("closed"));
  const timer = setTimeout(reject, connectMsMax, new Error(`no answer within ${connectMsMax} ms`));
  signal.addEventListener("abort", giveUp);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}

/** The client keeps and changes what it is given: each gets its own. */
function settingsOf(url: string) {
  return {
    url,
    socket: { connectTimeout: connectMsMax, reconnectStrategy: false },
    disableOfflineQueue: true,
    commandsQueueMaxLength: unansweredMax,
    commandOptions: { timeout: 0 }, // a timer for each command, where call() has its own
    maintNotifications: "disabled",
  } as const;
}

function clientOf(url: string) {
  return createClient(settingsOf(url));
}
