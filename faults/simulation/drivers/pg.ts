// Stands in for the package pg: one client, one connection to the simulated ledger, one statement at a time.
import { EventEmitter } from "node:events";
import { theWorld } from "../current.ts";
import { valueOf } from "../ledger/binary-array.ts";
import type { Answer, Session } from "../ledger/session.ts";
import { processOf } from "../process.ts";
import { Wire } from "../wire.ts";

interface ClientOptions {
  readonly application_name: string;
  readonly connectionTimeoutMillis: number;
  readonly query_timeout: number;
}

interface QueryConfig {
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
}

interface Result {
  readonly rows: readonly unknown[];
  readonly rowCount: number;
}

interface Asked {
  readonly config: QueryConfig;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
  isOver: boolean;
}

export class Client extends EventEmitter {
  readonly #options: ClientOptions;
  readonly #process = processOf();
  readonly #waiting: Asked[] = [];
  #active: Asked | undefined;
  #wire: Wire | undefined;
  #session: Session | undefined;
  #isEnded = false;

  constructor(options: ClientOptions) {
    super();
    this.#options = options;
  }

  connect(): Promise<void> {
    const world = theWorld();
    const { ledger, time } = world;
    const wire = new Wire(world, this.#process, "ledger");
    this.#wire = wire;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = time.after(
      this.#options.connectionTimeoutMillis,
      () => {
        wire.closeByClient();
        reject(new Error("timeout expired"));
      },
      this.#process,
    );
    const fail = (why: string): void => {
      late.isCancelled = true;
      reject(new Error(why));
      this.#lose(why);
    };
    wire.ends = { onClientClosed: fail, onServerClosed: () => this.#session && ledger.end(this.#session) };
    wire.send(() => {
      if (!ledger.isUp) return wire.closeByServer("connect ECONNREFUSED");
      this.#session = ledger.open(wire);
      wire.answer(() => {
        late.isCancelled = true;
        resolve();
      });
    });
    return promise;
  }

  get processID(): number | undefined {
    return this.#session?.no;
  }

  query(asked: QueryConfig | string, values: readonly unknown[] = []): Promise<Result> {
    const given = typeof asked === "string" ? { text: asked, values } : asked;
    const config = { ...given, values: given.values?.map(valueOf) ?? [] };
    if (this.#isEnded || this.#wire?.isClientOpen !== true)
      return Promise.reject(new Error("Client was closed and is not queryable"));
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const one: Asked = { config, resolve, reject, isOver: false };
    this.#waiting.push(one);
    theWorld().time.after(this.#options.query_timeout, () => this.#giveUp(one), this.#process);
    this.#next();
    return promise;
  }

  end(): Promise<void> {
    if (!this.#isEnded) {
      this.#isEnded = true;
      this.#wire?.closeByClient();
      this.#lose("Connection terminated");
    }
    return Promise.resolve();
  }

  #next(): void {
    if (this.#active !== undefined) return;
    const one = this.#waiting.shift();
    if (one === undefined) return;
    this.#active = one;
    const { name, text, values = [] } = one.config;
    const copied = values.map((value) => (Array.isArray(value) ? [...(value as unknown[])] : value));
    theWorld().faults.onStatement(
      { wire: this.#wire as Wire, name: name ?? text.slice(0, 24) },
      (reply, takesMs = 0) => {
        const session = this.#session as Session;
        theWorld().ledger.run(session, { name, text, values: copied, reply, takesMs });
      },
      (answer) => this.#answered(one, answer),
    );
  }

  #answered(one: Asked, answer: Answer): void {
    if (this.#active !== one) return;
    this.#active = undefined;
    if (answer.kind === "rows" && answer.warning !== undefined)
      this.emit("notice", { routine: "SyncRepWaitForLSN", message: answer.warning });
    if (!one.isOver) {
      one.isOver = true;
      if (answer.kind === "rows") one.resolve({ rows: answer.rows, rowCount: answer.rows.length });
      else one.reject(answer.error);
    }
    this.#next();
  }

  #giveUp(one: Asked): void {
    if (one.isOver) return;
    one.isOver = true;
    const at = this.#waiting.indexOf(one);
    if (at >= 0) this.#waiting.splice(at, 1);
    one.reject(new Error("Query read timeout"));
  }

  #lose(why: string): void {
    const lost = [...(this.#active === undefined ? [] : [this.#active]), ...this.#waiting.splice(0)];
    this.#active = undefined;
    for (const one of lost) {
      if (!one.isOver) one.reject(new Error(why));
      one.isOver = true;
    }
    if (!this.#isEnded) this.emit("error", new Error(why));
    this.emit("end");
  }
}
