// `sluice keys`: makes, lists and revokes API keys, in the file that the gateways read. It needs no server.
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { InvalidArgumentError, Option, type Command } from "commander";
import { makeApiKey, scopes, stateOf, type ApiKey, type Scope } from "../core/api-key.ts";
import { systemClock } from "../core/clock.ts";
import { parseQuota } from "../core/quota.ts";
import { dataFolder, readKeysPlace } from "../config/read-settings.ts";
import { messageOf } from "../core/errors.ts";
import { readListener } from "../engines/embedded/owner.ts";
import { reasonOf } from "../files/refusal.ts";
import { changeKeyFile, readKeyFile } from "../gateway/access/key-file.ts";
import { onClosedOutput } from "./closed-output.ts";
import { CommandError, exitCodes } from "./failure.ts";
import { clientSettings, parsedFlag, settingOption } from "./flag-settings.ts";
import { jsonText, printJson, printLine, printTable, printWhole, type Column } from "./print.ts";
import { addConfigFlag, addKeysFlag, sourcesOf } from "./role-flags.ts";
import { parseUrl } from "./server-options.ts";

interface PlaceOptions {
  readonly config?: string;
  readonly data?: string;
  readonly keys?: string;
  readonly json?: true;
}

interface CreateOptions extends PlaceOptions {
  readonly name: string;
  readonly sender?: string;
  readonly scope: readonly Scope[];
  readonly queue?: readonly string[];
  readonly rate?: string;
  readonly expires?: number;
}

const afterHelp = `
The keys are in the file that --keys names, or else keys.json in the data folder. Only their hashes are kept: a key is shown
once, when it is made. Only the file's owner may have access to it; a change keeps its owner, its mode and a symbolic link.
A key that cannot be printed, as on a closed pipe, is removed again, with 75.
Gateways see a change within a second. Where the file exists, calls need a key; a gateway whose file does not exist listens on
loopback addresses only. While a gateway cannot read the file, it refuses every call with 503.

Instead of the file, SLUICE_KEYS can have what is in it, where a gateway has no disk: make keys with --keys ./keys.json, and set the
variable to the content of that file. Then a change takes a new start.

revoke waits up to 10 s for the gateway's confirmation. With --url, or when sluice up runs on the data folder, it fails with 75
if there is none; otherwise it says that nothing confirmed it. Behind one address with several gateways, one of them answers.

A key belongs to a sender: of its own name, or of the one that --sender names, which can have several. An Idempotency-Key
is unique per queue and sender: no sender gets the receipt or the result of another one's request through it. The scope read is not
bound to a sender: who may read sees all requests of its queues. Senders that are not to see each other's get --scope send.

With --rate, each request of a batch counts. A batch is refused whole, with 429 and Retry-After, when fewer are left than it has;
one with more requests than the whole rate is refused with 413.

A key has one scope or more, none of which includes another:
  send   hand requests in
  read   read requests, results and queues
  admin  replay, cancel, pause, resume, heal; read the activity log

Examples:
  sluice keys create --name shop --queue orders --rate 100000/h
  sluice keys create --name operator --scope read,admin --expires 90d
  sluice keys create --name shop-2027 --sender shop --queue orders
  sluice keys list
  sluice keys revoke shop
`;

export function registerKeys(program: Command): void {
  const keys = program
    .command("keys")
    .summary("make, list and revoke API keys")
    .description("Makes, lists and revokes the API keys of a gateway.")
    .addHelpText("after", afterHelp);
  registerCreate(keys);
  addPlaceFlags(keys.command("list").description("Lists the keys, revoked ones too.")).action(list);
  addPlaceFlags(
    keys
      .command("revoke")
      .description("Ends a key, and waits until the gateway confirms that it refuses it.")
      .argument("<key>", "its name or its id")
      .addOption(
        new Option("--url <url>", "the gateway to ask (default the one that runs on the data folder)")
          .env("SLUICE_URL")
          .argParser(parseUrl),
      ),
  ).action(revoke);
}

function addPlaceFlags(command: Command): Command {
  addConfigFlag(command);
  addKeysFlag(command);
  return command
    .addOption(new Option("--data <folder>", "the data folder (default ./data)").env("SLUICE_DATA"))
    .option("--json", "print JSON; errors too");
}

function registerCreate(keys: Command): void {
  const command = keys
    .command("create")
    .description("Makes a key and prints it, this once.")
    .requiredOption("--name <name>", "what it is called in lists and logs")
    .option("--sender <name>", "who owns it, as its other keys name them (default: the name of the key)")
    .option("--scope <scopes>", "what it may do: send, read, admin, with commas between", scopesFlag, ["send", "read"])
    .option("-q, --queue <names>", "the queues that it knows, with commas between (default all)", namesFlag)
    .option("--rate <rate>", "requests it may hand in, as 100000/h or 600/m (default unlimited)", rateText)
    .addOption(
      settingOption("--expires <duration>", "ends after this time, as 90d; never unless given", clientSettings.expires),
    );
  addPlaceFlags(command).action(create);
}

async function create({ name, sender, scope, queue, rate, expires, ...place }: CreateOptions): Promise<void> {
  const file = readKeysPlace(await sourcesOf(place));
  const now = systemClock.now();
  const { key, secret } = makeApiKey({
    name,
    sender,
    scopes: scope,
    queues: queue,
    quota: rate === undefined ? undefined : parseQuota(rate),
    createdAt: now,
    expiresAt: expires === undefined ? undefined : now + expires,
  });
  await changeKeyFile(file, (keys) => {
    const namesake = keys.find((other) => other.name === name && stateOf(other, now) === "valid");
    if (namesake !== undefined) throw refused(`there is a valid key ${name} already: its id is ${namesake.id}`);
    return [...keys, key];
  });
  using _output = onClosedOutput(() => {}); // removing the key comes first
  try {
    // alone on standard output, for scripts
    await printWhole(place.json ? jsonText({ ...viewOf(key, now), key: secret }) : `${secret}\n`);
  } catch (cause) {
    const fate = await changeKeyFile(file, (keys) => keys.filter(({ id }) => id !== key.id)).then(
      () => "is removed again",
      (error: unknown) => `stays valid until you revoke it: it cannot be removed: ${messageOf(error)}`,
    );
    const message = `the key ${name} could not be printed (${reasonOf(cause)}), and ${fate}`;
    throw new CommandError(message, { code: "not-printed", exitCode: exitCodes.tryAgain, cause });
  }
  if (place.json) return;
  process.stderr.write(`Key ${name} is in ${file}. It is shown this once: keep it where its owner finds it.\n`);
}

async function list(place: PlaceOptions): Promise<void> {
  const file = readKeysPlace(await sourcesOf(place));
  const now = systemClock.now();
  const keys = ((await readKeyFile(file))?.keys ?? []).map((key) => viewOf(key, now));
  if (place.json) return printJson({ keys });
  if (keys.length === 0) return printLine(`There are no keys in ${file}.`);
  printTable(keys, columns);
}

interface RevokeOptions extends PlaceOptions {
  readonly url?: string;
}

async function revoke(text: string, { url, ...place }: RevokeOptions): Promise<void> {
  const sources = await sourcesOf(place);
  const file = readKeysPlace(sources);
  const now = systemClock.now();
  let revoked: ApiKey | undefined;
  const { generation } = await changeKeyFile(file, (keys) => {
    const found = keys.filter((key) => (key.id === text || key.name === text) && key.revokedAt === undefined);
    const [key, other] = found;
    if (key === undefined) throw refused(`no key that could be revoked has the name or id ${text} in ${file}`);
    if (other !== undefined)
      throw refused(`several keys are called ${text}: name one by its id: ${found.map(({ id }) => id).join(", ")}`);
    revoked = { ...key, revokedAt: now };
    return keys.map((each) => (each === key ? { ...key, revokedAt: now } : each));
  });
  const here = readListener(dataFolder(sources));
  const gateway = url ?? (here?.keys === resolve(file) ? here.url : undefined);
  const doubt = gateway === undefined ? "no gateway is known here" : await doubtOf(gateway, generation);
  const isMeant = url !== undefined || doubt === notTaken;
  if (doubt !== undefined && gateway !== undefined && isMeant) throw unconfirmed(text, file, `${gateway}: ${doubt}`);
  if (place.json && revoked) printJson({ ...viewOf(revoked, now), confirmedBy: doubt === undefined ? gateway : null });
  else printLine(`revoked ${text}`);
  process.stderr.write(
    doubt === undefined
      ? `The gateway at ${gateway} refuses the key from now on. Others that read ${file} do within a second.\n`
      : `No gateway has confirmed it (${doubt}). One that reads ${file} refuses the key within a second; until then the key works.\n`,
  );
}

function unconfirmed(key: string, file: string, why: string): CommandError {
  const message = `${key} is revoked in ${file}, but no gateway has confirmed it, so the key may still work (${why})`;
  return new CommandError(message, { code: "not-confirmed", exitCode: exitCodes.tryAgain });
}

const confirmWithinMs = 10_000;
const askEveryMs = 100;
const notTaken = `it has not read the file within ${confirmWithinMs / 1_000} s; its log says why`;

/** Why it is not certain that the gateway knows these keys; undefined once it says that it does. */
async function doubtOf(url: string, generation: string): Promise<string | undefined> {
  const signal = AbortSignal.timeout(confirmWithinMs);
  try {
    for (;;) {
      const response = await fetch(new URL("/readyz", url), { signal });
      const { keys } = (await response.json()) as { readonly keys?: unknown };
      if (keys === generation) return undefined;
      await sleep(askEveryMs, undefined, { signal });
    }
  } catch (error) {
    return signal.aborted ? notTaken : `it cannot be asked: ${messageOf((error as Error).cause ?? error)}`;
  }
}

function refused(message: string): CommandError {
  return new CommandError(message, { code: "refused", exitCode: exitCodes.failed });
}

function viewOf(key: ApiKey, now: number) {
  const { id, name, sender, queues, quota, createdAt, expiresAt, revokedAt } = key;
  return {
    id,
    name,
    sender,
    state: stateOf(key, now),
    scopes: key.scopes,
    queues: queues ?? null,
    rate: quota?.text ?? null,
    createdAt: timeText(createdAt),
    expiresAt: expiresAt === undefined ? null : timeText(expiresAt),
    revokedAt: revokedAt === undefined ? null : timeText(revokedAt),
  };
}

function timeText(at: number): string {
  return new Date(at).toISOString();
}

const columns: readonly Column<ReturnType<typeof viewOf>>[] = [
  { title: "NAME", of: ({ name }) => name },
  { title: "ID", of: ({ id }) => id },
  { title: "SENDER", of: ({ sender }) => sender },
  { title: "STATE", of: ({ state }) => state },
  { title: "SCOPES", of: (key) => key.scopes.join(",") },
  { title: "QUEUES", of: ({ queues }) => queues?.join(",") ?? "all" },
  { title: "RATE", of: ({ rate }) => rate ?? "" },
  { title: "CREATED", of: ({ createdAt }) => createdAt },
  { title: "EXPIRES", of: ({ expiresAt }) => expiresAt ?? "never" },
];

function namesFlag(text: string): readonly string[] {
  return text.split(",").map((name) => name.trim());
}

function scopesFlag(text: string): readonly Scope[] {
  return namesFlag(text).map((name) => {
    const scope = scopes.find((known) => known === name);
    if (scope === undefined) throw new InvalidArgumentError(`Expected of ${scopes.join(", ")}, got "${name}".`);
    return scope;
  });
}

function rateText(text: string): string {
  return parsedFlag(() => parseQuota(text)).text;
}
