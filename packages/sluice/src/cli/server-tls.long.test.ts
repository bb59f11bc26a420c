// TLS to every server of a cluster: it is spoken, and the servers' certificates are verified.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  freePort,
  makeAuthority,
  startPostgres,
  startRabbitmq,
  startRedis,
  startSluiceGateway,
  startSluiceWorker,
  temporaryFolder,
} from "@sluice/testing";
import { migrate } from "../../test/cluster-under-test.ts";
import { runSluice } from "../../test/run-sluice.ts";

const resources = new AsyncDisposableStack();
let configFile: string;
/** The servers' addresses, with TLS. */
let servers: Record<string, string>;
/** The same, to who trusts the authority of their certificates. */
let trusting: Record<string, string>;

before(async () => {
  const { path } = resources.use(await temporaryFolder());
  const authority = makeAuthority(path);
  const { cert, key } = authority.issue();
  await chmod(path, 0o755); // PostgreSQL runs as another user, and takes a key only if it is that user's alone
  const { cert: postgresCert, key: postgresKey } = authority.issue();
  if (process.getuid?.() === 0) execFileSync("chown", ["postgres:", postgresKey]);
  const [amqpsPort, redissPort] = [await freePort(), await freePort()];
  const starting = [
    startPostgres({ settings: { ssl: "on", ssl_cert_file: postgresCert, ssl_key_file: postgresKey } }),
    startRabbitmq({
      release: { root: "/" },
      settings: {
        "listeners.ssl.local": `127.0.0.1:${amqpsPort}`,
        "ssl_options.cacertfile": authority.ca,
        "ssl_options.certfile": cert,
        "ssl_options.keyfile": key,
      },
    }),
    startRedis({
      settings: {
        "tls-port": String(redissPort),
        "tls-ca-cert-file": authority.ca,
        "tls-cert-file": cert,
        "tls-key-file": key,
        "tls-auth-clients": "no",
      },
    }),
  ] as const;
  for (const server of starting) resources.use(await server);
  servers = {
    DATABASE_URL: `${(await starting[0]).url}?sslmode=verify-full`,
    AMQP_URL: `amqps://guest:guest@127.0.0.1:${amqpsPort}`,
    REDIS_URL: `rediss://127.0.0.1:${redissPort}`,
  };
  trusting = { ...servers, NODE_EXTRA_CA_CERTS: authority.ca };
  configFile = join(path, "sluice.config.mjs");
  await writeFile(configFile, "export default { queues: { orders: { handle: (request) => request.text() } } };\n");
});
after(() => resources.disposeAsync());

test("a request goes through a cluster whose servers are all reached by TLS", async () => {
  await migrate(configFile, trusting);
  const doctor = await runSluice({ args: ["doctor", "--json", "--config", configFile], env: trusting });
  assert.equal(doctor.exitCode, 0, doctor.stdout);
  await using gateway = await startSluiceGateway({ configFile, env: trusting });
  await using _worker = await startSluiceWorker({ configFile, env: trusting });
  const sent = await runSluice({ args: ["send", "--queue", "orders", "--wait"], url: gateway.url, input: '{"n":7}' });
  assert.deepEqual([sent.exitCode, sent.stdout.trim()], [0, '{"n":7}'], sent.stderr);
});

test("a server whose certificate nobody vouches for is not spoken to", async () => {
  const { exitCode, stdout } = await runSluice({ args: ["doctor", "--json", "--config", configFile], env: servers });
  assert.equal(exitCode, 69);
  const { findings } = JSON.parse(stdout) as { findings: readonly Record<"server" | "what" | "found", string>[] };
  for (const server of ["postgres", "rabbitmq", "redis"]) {
    const [found, ...others] = findings.filter((finding) => finding.server === server);
    assert.deepEqual([found?.what, others], ["reachable", []]);
    assert.match(found?.found ?? "", /certificate/, server);
  }
});
