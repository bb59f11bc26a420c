// What of a page is run, in its order, where the page says <!-- runnable -->. The mark stands behind the language of a fenced block, where no reader sees it:
//   ```sh run           is run by bash, in a folder that is the page's alone; every command must succeed
//   ```sh run exits=N   must exit with N instead
//   ```sh server        is started; what follows waits until it says that it listens or works
//   ```ts file=NAME     is written to NAME in that folder
//   ```text output      is what the last run before it printed; … stands for anything on its line
//   <!-- stop -->       the servers are stopped, gracefully
//   <!-- kill -->       the servers are killed
//   <!-- cluster -->    PostgreSQL, RabbitMQ and Redis are started, and the environment says where they are

export type Step =
  | { readonly kind: "run"; readonly command: string; readonly exitCode: number }
  | { readonly kind: "server"; readonly command: string }
  | { readonly kind: "file"; readonly name: string; readonly text: string }
  | { readonly kind: "output"; readonly text: string }
  | { readonly kind: "stop"; readonly signal: "SIGTERM" | "SIGKILL" }
  | { readonly kind: "cluster" };

const pieces = /^```(?<language>\w+) (?<mark>[^\n]+)\n(?<text>.*?)^```$|^<!-- (?<order>stop|kill|cluster) -->$/gms;

export function isRunnable(page: string): boolean {
  return /^<!-- runnable -->$/m.test(page);
}

/** Errors: a mark that is none. */
export function stepsOf(page: string): readonly Step[] {
  return [...page.matchAll(pieces)].map(({ groups = {} }) => {
    const { mark, text = "", order } = groups;
    if (order === "cluster") return { kind: "cluster" };
    if (order !== undefined) return { kind: "stop", signal: order === "kill" ? "SIGKILL" : "SIGTERM" };
    return blockStep(mark ?? "", text);
  });
}

function blockStep(mark: string, text: string): Step {
  const [, exits] = /^run(?: exits=(\d+))?$/.exec(mark) ?? [];
  if (mark.startsWith("run") && (mark === "run" || exits !== undefined))
    return { kind: "run", command: text, exitCode: Number(exits ?? 0) };
  if (mark === "server") return { kind: "server", command: text };
  if (mark === "output") return { kind: "output", text };
  const [, name] = /^file=([\w./-]+)$/.exec(mark) ?? [];
  if (name !== undefined) return { kind: "file", name, text };
  throw new Error(`a block is marked run, run exits=N, server, output or file=NAME, got ${mark}`);
}
