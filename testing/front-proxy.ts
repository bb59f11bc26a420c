// nginx and HAProxy as private processes: each with a configuration of its own, in the foreground, in a temporary folder.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Child } from "./child.ts";
import { startServer, stopServer } from "./start-server.ts";
import { findProgram } from "./system-program.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export interface FrontProxy extends AsyncDisposable {
  output(): string;
}

/** Starts nginx with these directives inside its `http` block; resolves once it listens. Disposing stops it. */
export async function startNginx(http: string): Promise<FrontProxy> {
  const program = findProgram({ program: "nginx", debianPackage: "nginx-light" });
  return start("nginx.conf", {
    program,
    args: (folder, file) => ["-p", folder, "-c", file, "-e", "stderr"],
    ready: /start worker processes/,
    stop: "SIGTERM",
    text: (folder) => {
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((name) => `  ${name}_temp_path ${join(folder, name)};`)
        .join("\n");
      const user = process.getuid?.() === 0 ? "user root;\n" : ""; // its workers read what this user owns
      return `${user}daemon off;
worker_processes 2;
pid ${join(folder, "pid")};
error_log stderr notice;
events { worker_connections 1024; }
http {
  access_log off;
${temporary}
${http}
}
`;
    },
  });
}

/** Starts HAProxy with this configuration; resolves once it listens. Disposing stops it. */
export async function startHaproxy(text: string): Promise<FrontProxy> {
  const program = findProgram({ program: "haproxy", debianPackage: "haproxy" });
  return start("haproxy.cfg", {
    program,
    args: (_folder, file) => ["-W", "-db", "-f", file],
    ready: /Loading success/,
    stop: "SIGTERM",
    text: () => `${text}\n`,
  });
}

interface Program {
  readonly program: string;
  readonly args: (folder: string, file: string) => readonly string[];
  readonly ready: RegExp;
  readonly stop: NodeJS.Signals;
  readonly text: (folder: string) => string;
}

async function start(name: string, { program, args, ready, stop, text }: Program): Promise<FrontProxy> {
  await using resources = new AsyncDisposableStack();
  const folder = resources.use(await temporaryFolder()).path;
  const file = join(folder, name);
  await writeFile(file, text(folder));
  const child: Child = await startServer({
    command: program,
    args: args(folder, file),
    ready,
    busy: /Address already in use|Address in use/,
  });
  resources.defer(() => stopServer(child, stop));
  const owned = resources.move();
  return { output: () => child.output(), [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
