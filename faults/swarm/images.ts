// node images.ts FOLDER: makes the images of the stack in a Docker Engine that keeps them in FOLDER. Runs on the machine's
// network, for the packages of Debian and npm.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { debianRoots } from "./debian-roots.ts";
import { startDocker } from "./docker.ts";
import { images } from "./image-names.ts";
import { released } from "./jail.ts";
import { loopbackProgram } from "./loopback.ts";
import { openProgress } from "./progress.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const [folder = ""] = process.argv.slice(2);
/** stack.yaml names no command for RabbitMQ: its official image has this one. */
const serverSettings = ["--change", 'ENTRYPOINT ["/entrypoint"]', "--change", 'CMD ["rabbitmq-server"]'];
const { tell, failed, stopped } = openProgress();

const stop = released();

try {
  await make(stop);
} catch (error) {
  process.exitCode = stop.aborted ? stopped() : failed(error);
}

async function make(signal: AbortSignal): Promise<void> {
  loopbackProgram(); // the run itself has no network to install it from
  const roots = await debianRoots({ building: join(folder, "building"), tell, signal });
  await using docker = await startDocker({ folder: join(folder, "docker"), signal });
  const trusted = roots.certificates === undefined ? [] : ["--change", `ENV NODE_EXTRA_CA_CERTS=${roots.certificates}`];
  await docker.run(["import", ...trusted, roots.base, images.base]);
  await docker.run(["import", ...serverSettings, roots.servers, images.servers]);
  tell("building deploy/Dockerfile");
  const dockerfile = join(repository, "deploy/Dockerfile");
  const flags = ["--file", dockerfile, "--tag", images.sluice, "--build-arg", `BASE=${images.base}`];
  await docker.run(["build", ...flags, "--network=host", "--force-rm", repository]);
  for (const name of Object.values(images)) tell(`${name}: ${await sizeOf(name)} MB`);

  async function sizeOf(name: string): Promise<string> {
    const bytes = await docker.run(["image", "inspect", "--format", "{{.Size}}", name]);
    return (Number(bytes) / 1e6).toFixed(0);
  }
}
