// What outsiders do to the data folder of a real process: no exit but a refused start with a sentence, no 202 for something
// that is gone, and of what was accepted nothing is lost in silence.
import assert from "node:assert/strict";
import {
  closeSync,
  copyFileSync,
  cpSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { seededRandom } from "../../packages/sluice/src/core/seeded-random.ts";
import { smallDisk } from "../small-disk.ts";
import { isFull } from "./effort.ts";
import { EmbeddedServer, type Answer } from "./embedded/server.ts";

interface Damage {
  readonly does: (folder: string) => void;
  /** Undoes it, where that can be. */
  readonly undoes?: (folder: string) => void;
}

const aside = (path: string): string => `${path}.aside`;
const inFolder = (name: string) => (folder: string) => join(folder, name);
const store = inFolder("sluice.db");
const log = inFolder("sluice.db-wal");

/** To files that are open. */
const damages: Readonly<Record<string, Damage>> = {
  "its database is moved": {
    does: (folder) => renameSync(store(folder), aside(store(folder))),
    undoes: (folder) => renameSync(aside(store(folder)), store(folder)),
  },
  "its database is replaced by a copy": {
    does: (folder) => {
      copyFileSync(store(folder), aside(store(folder)));
      renameSync(aside(store(folder)), store(folder));
    },
  },
  "its log is deleted": { does: (folder) => rmSync(log(folder)) },
  "its folder is moved": {
    does: (folder) => renameSync(folder, aside(folder)),
    undoes: (folder) => renameSync(aside(folder), folder),
  },
  "its database is emptied": { does: (folder) => truncateSync(store(folder)) },
  ...(isFull && {
    "its database is deleted": { does: (folder: string) => rmSync(store(folder)) },
    "its log is emptied": { does: (folder: string) => truncateSync(log(folder)) },
    "its log is moved": {
      does: (folder: string) => renameSync(log(folder), aside(log(folder))),
      undoes: (folder: string) => renameSync(aside(log(folder)), log(folder)),
    },
    "its folder is replaced by a copy": {
      does: (folder: string) => {
        cpSync(folder, aside(folder), { recursive: true });
        renameSync(folder, `${folder}.old`);
        renameSync(aside(folder), folder);
      },
    },
  }),
};

describe("a data folder that is damaged while it is used", () => {
  for (const [what, { does, undoes }] of Object.entries(damages)) {
    it(`${what}: no 202, the reason in /readyz, no audit that holds`, { timeout: 240_000 }, async () => {
      await using server = await EmbeddedServer.make();
      await server.start();
      const ids = await Promise.all(Array.from({ length: 20 }, () => server.accepted({ first: "done" })));
      assert.deepEqual(await server.unfinished(ids, 30_000), []);
      const slow = await server.accepted({ first: "slow", ms: 1_500 });
      const flood = new Flood(server);
      does(server.folder);
      const later = await Promise.all(Array.from({ length: 10 }, () => server.send({ first: "done" })));
      assert.deepEqual(new Set(later.map(({ status }) => status)), new Set([503]));
      for (const { json } of later) assert.match(json.detail, /sluice\.db(-wal)? /);
      assert.notEqual((await server.call("/v1/audit")).status, 200);
      assert.equal((await readyz(server)).status, 503);
      await flood.end();
      assert.equal(await server.ended(), undefined, "it lives");
      if (undoes !== undefined) {
        undoes(server.folder);
        while ((await readyz(server)).status !== 200);
        assert.deepEqual(await server.unfinished([...ids, slow, ...flood.accepted], 20_000), []);
        assert.equal((await server.call("/v1/audit")).json.holds, true);
        return;
      }
      await server.stop("SIGKILL");
      await assertRefusedOrWhole(server, [...ids, slow, ...flood.accepted]);
    });
  }
});

describe(
  "a disk that is full at a stop",
  { skip: process.getuid?.() !== 0 && "only root can mount a small disk" },
  () => {
    it("leaves a folder that the next start takes for whole", { timeout: 240_000 }, async () => {
      await using disk = await smallDisk(8);
      await using server = await EmbeddedServer.make({ SLUICE_GRACE: "1s" }, join(disk.path, "data"));
      await server.start();
      const ids = await Promise.all(Array.from({ length: 4 }, () => server.accepted({ first: "slow", ms: 5_000 })));
      for (const id of ids) while ((await server.stateOf(id)) !== "running");
      disk.fill(0);
      await server.stop("SIGTERM"); // what runs cannot be handed back
      disk.empty();
      await server.start();
      assert.deepEqual(await server.unfinished(ids, 30_000), []);
      assert.equal((await server.call("/v1/audit")).json.holds, true);
    });
  },
);

describe("pages that are overwritten while they are used", () => {
  for (let seed = 1; seed <= (isFull ? 40 : 2); seed += 1) {
    it(`eight bytes at random offsets, seed ${seed}`, { timeout: 240_000 }, async () => {
      await using server = await EmbeddedServer.make();
      await server.start();
      const kinds = [{ first: "done" }, { first: "dead" }, { first: "later", ms: 600_000 }] as const;
      const ids = await Promise.all(Array.from({ length: 60 }, (_, at) => server.accepted(kinds[at % 3] ?? kinds[0])));
      await server.stop("SIGTERM"); // carries all of it into the database
      await server.start();
      const random = seededRandom(seed, "pages");
      const size = statSync(store(server.folder)).size;
      for (let hit = 0; hit < 12; hit += 1) overwrite(store(server.folder), random.between(4_096, size - 8));
      const answers: Answer[] = [];
      for (const id of ids)
        for (const path of ["", "/body", "/attempts"]) answers.push(await server.call(`/v1/requests/${id}${path}`));
      for (const path of ["/v1/queues", "/v1/requests?limit=100", "/v1/audit"]) answers.push(await server.call(path));
      for (let count = 0; count < 10; count += 1) answers.push(await server.send({ first: "done" }));
      for (const { status, json } of answers)
        assert.ok([200, 202, 404, 409, 503].includes(status), `${status}: ${JSON.stringify(json)}\n${server.output()}`);
      if (answers.some(({ status }) => status === 503)) {
        const { json } = await readyz(server);
        assert.match(JSON.stringify(json.problems), /sluice\.db/);
      }
      assert.equal(await server.ended(), undefined, "it lives");
    });
  }
});

/** The start is refused with a sentence that names the path, or all is there. */
async function assertRefusedOrWhole(server: EmbeddedServer, ids: readonly string[]): Promise<void> {
  try {
    await server.start();
  } catch (error) {
    assert.match(String(error), /\(78\)[^]*sluice\.db/);
    return;
  }
  assert.deepEqual(await server.unfinished(ids, 20_000), []);
  assert.equal((await server.call("/v1/audit")).json.holds, true);
}

function readyz(server: EmbeddedServer): Promise<Answer> {
  return server.call("/readyz");
}

/** Sends one request after the other until it is ended. */
class Flood {
  readonly accepted: string[] = [];
  readonly #server: EmbeddedServer;
  readonly #sending: Promise<void>;
  #isEnding = false;

  constructor(server: EmbeddedServer) {
    this.#server = server;
    this.#sending = this.#send();
  }

  async #send(): Promise<void> {
    while (!this.#isEnding) {
      const { status, json } = await this.#server.send({ first: "done" });
      if (status === 202) this.accepted.push(json.id);
    }
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#sending;
  }
}

function overwrite(file: string, offset: number): void {
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, Buffer.alloc(8, 0xff), 0, 8, offset);
  closeSync(descriptor);
}
