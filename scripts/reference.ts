// The pages of docs/reference, each made from the code that defines what it tells: npm run docs writes them, and a test
// holds them against what they would be now.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { sluiceCommand, startSluice, temporaryFolder } from "@sluice/testing";
import { parseSync, type TSInterfaceDeclaration, type TSPropertySignature } from "oxc-parser";
import {
  callbacksSettings,
  fileSettings,
  frontRouteSettings,
  frontSettings,
  groupsSettings,
  prioritiesSettings,
  queueSettings,
  retrySettings,
  scalingSettings,
  scheduleSettings,
  spoolSettings,
} from "../packages/sluice/src/config/declared-settings.ts";
import type { Setting } from "../packages/sluice/src/core/setting.ts";
import { exitCodes } from "../packages/sluice/src/cli/failure.ts";
import { errorCodes } from "../packages/sluice/src/core/errors.ts";
import { metricsPage } from "./metrics-page.ts";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "..");

/** Every page by its name in docs/reference. */
export async function referencePages(): Promise<Readonly<Record<string, string>>> {
  const [api, commands] = await Promise.all([apiPage(), commandsPage()]);
  return {
    "api.md": api,
    "commands.md": commands,
    "configuration.md": configurationPage(),
    "errors.md": errorsPage(),
    "metrics.md": metricsPage(),
  };
}

function page(title: string, from: string, ...sections: readonly string[]): string {
  return `${[`# ${title}`, `Written by \`npm run docs\`, from ${from}.`, ...sections].join("\n\n")}\n`;
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(headings), `|${"---|".repeat(headings.length)}`, ...rows.map(line)].join("\n");
}

// Errors

const consequences: Readonly<Record<(typeof errorCodes)[keyof typeof errorCodes]["consequence"], string>> = {
  caller: "no: the same again fails again",
  unavailable: "yes, after `Retry-After` where there is one",
  "lost-claim": "no: somebody else has the request",
  broken: "no: somebody has to look",
};

const exits: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: "it is done",
  failed: "it failed, or what was asked for does not hold (`sluice audit`)",
  usage: "the command line is wrong",
  unreachable: "a server cannot be reached",
  tryAgain: "not now: the same again may go through",
  badConfig: "the configuration or a server's settings are wrong",
};

function errorsPage(): string {
  return page(
    "Errors",
    "[core/errors.ts](../../packages/sluice/src/core/errors.ts)",
    "An answer that is an error is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, `detail` and `code`; " +
      "some have more fields, such as the `line` of a batch. Codes are stable. The same codes stand in `lastError` of a " +
      "request and in what a command prints with `--json`.",
    table(
      ["code", "status", "title", "try again"],
      Object.entries(errorCodes).map(([code, { status, title, consequence }]) => [
        `\`${code}\``,
        String(status),
        title,
        consequences[consequence],
      ]),
    ),
    "## Exit codes",
    table(
      ["exit code", "meaning"],
      Object.entries(exitCodes).map(([name, code]) => [String(code), exits[name as keyof typeof exitCodes]]),
    ),
  );
}

// Commands

async function help(words: readonly string[]): Promise<string> {
  const env = { ...process.env, NO_COLOR: "1", COLUMNS: "110" };
  const { stdout } = await run(process.execPath, [sluiceCommand, ...words, "--help"], { env });
  return stdout.trimEnd();
}

function subcommandsIn(text: string): readonly string[] {
  const [, list = ""] = /\nCommands:\n((?: {2}.*\n?)+)/.exec(text) ?? [];
  return [...list.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = ""]) => name).filter((name) => name !== "help");
}

async function commandsPage(): Promise<string> {
  const sections = await helpOf([]);
  return page("Commands", "each command's `--help`", ...sections);
}

async function helpOf(words: readonly string[]): Promise<readonly string[]> {
  const text = await help(words);
  const below = await Promise.all(subcommandsIn(text).map((name) => helpOf([...words, name])));
  return [`## ${["sluice", ...words].join(" ")}\n\n\`\`\`text\n${text}\n\`\`\``, ...below.flat()];
}

// Configuration

const configFile = "packages/sluice/src/config/config.ts";
/** One for each type there, in the order of the page. */
const configSections: Readonly<Record<string, string>> = {
  SluiceConfig: "The file",
  QueueConfig: "A queue",
  RetryConfig: "Its `retry`",
  CallbackConfig: "Its `callback`",
  ScalingConfig: "Its `scaling`",
  ScheduleConfig: "A schedule",
  CallbacksConfig: "`callbacks`",
  OrderConfig: "Its `order`",
  GroupsConfig: "Its `groups`",
  PrioritiesConfig: "Its `priorities`",
  TargetConfig: "Its `target`, as an object",
  TargetTlsConfig: "`tls` of a target",
  FrontConfig: "`front`",
  FrontRouteConfig: "A route of the front",
  TargetsConfig: "`targets`",
  TlsConfig: "`tls`",
  SpoolConfig: "`spool`",
  ClusterConfig: "`cluster`",
};

const declared: Readonly<Record<string, Readonly<Record<string, Setting>>>> = {
  SluiceConfig: fileSettings,
  QueueConfig: queueSettings,
  RetryConfig: retrySettings,
  ScalingConfig: scalingSettings,
  ScheduleConfig: scheduleSettings,
  GroupsConfig: groupsSettings,
  PrioritiesConfig: prioritiesSettings,
  CallbacksConfig: callbacksSettings,
  FrontConfig: frontSettings,
  FrontRouteConfig: frontRouteSettings,
  SpoolConfig: spoolSettings,
};

function configurationPage(): string {
  const source = readFileSync(path.join(root, configFile), "utf8");
  const { program, comments } = parseSync(configFile, source);
  const interfaces = program.body.flatMap((node) =>
    node.type === "ExportNamedDeclaration" && node.declaration?.type === "TSInterfaceDeclaration"
      ? [node.declaration]
      : [],
  );
  const commentBefore = (property: TSPropertySignature): string => {
    const comment = comments.findLast(({ end }) => end < property.start);
    const isItsOwn = comment !== undefined && /^\s*$/.test(source.slice(comment.end, property.start));
    return isItsOwn
      ? comment.value
          .replace(/^\*/, "")
          .replaceAll(/\s*\n\s*\*\s*/g, " ")
          .trim()
      : "";
  };
  const rangeIn = (type: string, field: string): string => {
    const setting = declared[type]?.[field];
    return setting === undefined ? "" : `\`${setting.min}\` to \`${setting.max}\``;
  };
  const rowsOf = ({ id, body }: TSInterfaceDeclaration): readonly (readonly string[])[] =>
    body.body
      .filter((member) => member.type === "TSPropertySignature")
      .map((property) => [
        `\`${source.slice(property.key.start, property.key.end)}\``,
        `\`${source.slice((property.typeAnnotation?.typeAnnotation ?? property).start, property.typeAnnotation?.end)}\``,
        rangeIn(id.name, source.slice(property.key.start, property.key.end)),
        commentBefore(property),
      ]);
  const untold = interfaces.find(({ id }) => !(id.name in configSections));
  if (untold !== undefined) throw new Error(`${configFile} has ${untold.id.name}, which no section tells of`);
  const sections = Object.entries(configSections).flatMap(([name, title]) => {
    const found = interfaces.find(({ id }) => id.name === name);
    if (found === undefined) throw new Error(`${configFile} has no interface ${name}`);
    return [`## ${title}`, table(["member", "type", "from, to", "meaning; default"], rowsOf(found))];
  });
  return page(
    "Configuration",
    `the types in [config.ts](../../${configFile})`,
    "`sluice.config.ts` exports `defineConfig({ … })` by default. Flags go before the environment, the environment before the " +
      "file, the file before the defaults; which variable stands for a flag is in the command's help ([commands](commands.md)). " +
      "Every secret can be given as a file, in the variable whose name ends in `_FILE`. Durations are numbers with `ms`, `s`, " +
      "`m`, `h` or `d`; sizes with `B`, `KiB`, `MiB`, `GiB` or `TiB`; rates are a number by `s`, `m`, `h` or `d`. Every value is " +
      "checked at the start: one that is out of its range ends the command with exit code 78 and a sentence that names it, and " +
      "so does a field that does not exist. An empty variable counts as not set.",
    ...sections,
  );
}

// API

interface Ref {
  readonly $ref: string;
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description: string;
}

interface Answer {
  readonly description: string;
  readonly headers?: Readonly<Record<string, Ref>>;
}

interface Operation {
  readonly summary: string;
  readonly description: string;
  readonly parameters: readonly Ref[];
  readonly responses: Readonly<Record<string, Answer | Ref>>;
}

interface OpenApi {
  readonly info: { readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly parameters: Readonly<Record<string, Parameter>>;
    readonly responses: Readonly<Record<string, Answer>>;
    readonly headers: Readonly<Record<string, { readonly description: string }>>;
  };
}

async function apiPage(): Promise<string> {
  await using folder = await temporaryFolder();
  const args = ["--queue", "orders", "--target", "http://127.0.0.1:9/"];
  await using server = await startSluice({ dataFolder: folder.path, args });
  const { info, paths, components } = (await (await fetch(`${server.url}/openapi.json`)).json()) as OpenApi;
  const operations = Object.entries(paths).flatMap(([route, methods]) =>
    Object.entries(methods).map(([method, operation]) =>
      operationText(`${method.toUpperCase()} ${route}`, operation, components),
    ),
  );
  const headers = table(
    ["header", "meaning"],
    Object.entries(components.headers).map(([name, { description }]) => [`\`${name}\``, description]),
  );
  const told = "Which answer has which header is in the description, as are the schemas.";
  return page(
    "HTTP API",
    "`GET /openapi.json` of a running server",
    info.description,
    ...operations,
    "## Headers of answers",
    told,
    headers,
  );
}

function operationText(
  name: string,
  { summary, description, parameters, responses }: Operation,
  components: OpenApi["components"],
): string {
  const takes = parameters
    .map(({ $ref }) => components.parameters[lastName($ref)] as Parameter)
    .map(({ name: parameter, in: place, required, description: meaning }) => [
      `\`${parameter}\``,
      `${place}${required === true ? "" : ", optional"}`,
      meaning,
    ]);
  const answers = Object.entries(responses)
    .map(
      ([status, answer]) => [status, "$ref" in answer ? components.responses[lastName(answer.$ref)] : answer] as const,
    )
    .map(([status, answer]) => [status, answer?.description ?? ""]);
  return [
    `## ${name.replaceAll(/[{}]/g, (brace) => `\\${brace}`)}`,
    `${summary}. ${description}`,
    ...(takes.length === 0 ? [] : [table(["parameter", "in", "meaning"], takes)]),
    table(["answer", "meaning"], answers),
  ].join("\n\n");
}

function lastName(ref: string): string {
  return ref.slice(ref.lastIndexOf("/") + 1);
}
