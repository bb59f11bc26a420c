// Prometheus and its promtool, from Debian's package.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Child } from "./child.ts";
import { lastingPort } from "./lasting-port.ts";
import { startServer } from "./start-server.ts";
import { findProgram } from "./system-program.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const debianPackage = "prometheus";

export interface ToolRun {
  readonly exitCode: number;
  readonly output: string;
}

/** Runs promtool to its end; what it prints is the complaint. */
export function runPromtool(args: readonly string[], input = ""): Promise<ToolRun> {
  const program = findProgram({ program: "promtool", debianPackage });
  return new Promise((resolve) => {
    const child = execFile(program, args, { encoding: "utf8", timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ exitCode: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr }),
    );
    child.stdin?.end(input);
  });
}

export interface StartPrometheusOptions {
  /** Of the gateway whose /metrics it reads. */
  readonly target: string;
  /** Files of alert rules. */
  readonly rules: readonly string[];
}

export interface Prometheus extends AsyncDisposable {
  readonly url: string;
  /** The values of an expression now, by their labels. */
  query(expression: string): Promise<readonly Sample[]>;
  /** Names of the alerts that fire now. */
  firing(): Promise<readonly string[]>;
  output(): string;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Starts one that reads a gateway, and judges its rules, five times a second. */
export async function startPrometheus({ target, rules }: StartPrometheusOptions): Promise<Prometheus> {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await temporaryFolder());
  const config = {
    global: { scrape_interval: "200ms", scrape_timeout: "200ms", evaluation_interval: "200ms" },
    rule_files: rules,
    scrape_configs: [{ job_name: "sluice", static_configs: [{ targets: [new URL(target).host] }] }],
  };
  const file = join(folder.path, "prometheus.yaml");
  await writeFile(file, JSON.stringify(config)); // which is YAML, too
  const port = await lastingPort();
  const child: Child = opened.use(
    await startServer({
      command: findProgram({ program: "prometheus", debianPackage }),
      args: [
        `--config.file=${file}`,
        `--storage.tsdb.path=${join(folder.path, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      ready: /Server is ready to receive web requests/,
      busy: /address already in use/,
    }),
  );
  const url = `http://127.0.0.1:${port}`;
  const resources = opened.move();
  return {
    url,
    async query(expression) {
      const { data } = (await get(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`)) as QueryAnswer;
      return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    async firing() {
      const { data } = (await get(`${url}/api/v1/alerts`)) as AlertsAnswer;
      return data.alerts.filter(({ state }) => state === "firing").map(({ labels }) => labels["alertname"] ?? "");
    },
    output: () => child.output(),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

interface QueryAnswer {
  readonly data: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly value: readonly [number, string] }[];
  };
}

interface AlertsAnswer {
  readonly data: { readonly alerts: readonly { readonly state: string; readonly labels: Record<string, string> }[] };
}

async function get(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}
