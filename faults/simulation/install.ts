// Puts simulated time, chance, drivers and servers under the product, which is not changed for it: to be imported before
// any module of the product is. Outside of a history everything is as it was.
import crypto from "node:crypto";
import { registerHooks, syncBuiltinESMExports } from "node:module";
import timersPromises from "node:timers/promises";
import { epochMs, running, type Event, type Time } from "./time.ts";
import { currentWorld } from "./current.ts";

const drivers: Readonly<Record<string, string>> = {
  pg: import.meta.resolve("./drivers/pg.ts"),
  amqplib: import.meta.resolve("./drivers/amqplib.ts"),
  redis: import.meta.resolve("./drivers/redis.ts"),
};

registerHooks({
  resolve(specifier, context, next) {
    const url = context.parentURL?.includes("/packages/sluice/src/") === true ? drivers[specifier] : undefined;
    return url === undefined ? next(specifier, context) : { url, format: "module-typescript", shortCircuit: true };
  },
});

/** What setTimeout and its kin give back. */
class Timer {
  #event: Event | undefined;

  start(time: Time, ms: number, run: () => void): this {
    this.#event = time.after(ms, run, running.getStore());
    return this;
  }

  cancel(): void {
    if (this.#event !== undefined) this.#event.isCancelled = true;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

type Run = (...values: unknown[]) => void;

const real = { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate };
const realNow = Date.now;
const realPerformanceNow = performance.now.bind(performance);
const realRandom = Math.random;
const realDelay = timersPromises.setTimeout;

function put(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, configurable: true, writable: true });
}

/** As Node does it: a timeout takes a millisecond at least. */
function later(name: "setTimeout" | "setImmediate", leastMs: number): unknown {
  return (run: Run, ...rest: unknown[]) => {
    const time = currentWorld()?.time;
    if (time === undefined) return Reflect.apply(real[name], undefined, [run, ...rest]);
    const [ms, ...values] = name === "setTimeout" ? rest : [0, ...rest];
    return new Timer().start(time, Math.max(leastMs, Number(ms ?? 0)), () => run(...values));
  };
}

function again(run: Run, ms: number, ...values: unknown[]): unknown {
  const time = currentWorld()?.time;
  if (time === undefined) return real.setInterval(run, ms, ...values);
  const timer = new Timer();
  const turn = (): void => {
    timer.start(time, ms, turn);
    run(...values);
  };
  return timer.start(time, ms, turn);
}

function clear(name: "clearTimeout" | "clearInterval" | "clearImmediate"): unknown {
  return (timer: unknown) => {
    if (timer instanceof Timer) timer.cancel();
    else Reflect.apply(real[name], undefined, [timer]);
  };
}

function delay(ms: number, value: unknown, options: { signal?: AbortSignal; ref?: boolean } = {}): Promise<unknown> {
  const time = currentWorld()?.time;
  if (time === undefined) return realDelay(ms, value, options);
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = new Timer().start(time, Math.max(1, ms), () => {
      signal?.removeEventListener("abort", abort);
      resolve(value);
    });
    if (signal?.aborted === true) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}

put(globalThis, "setTimeout", later("setTimeout", 1));
put(globalThis, "setImmediate", later("setImmediate", 0));
put(globalThis, "setInterval", again);
for (const name of ["clearTimeout", "clearInterval", "clearImmediate"] as const) put(globalThis, name, clear(name));
put(Date, "now", () => {
  const time = currentWorld()?.time;
  return time === undefined ? realNow() : Math.floor(epochMs + time.now + (running.getStore()?.skewMs ?? 0));
});
put(performance, "now", () => {
  const time = currentWorld()?.time;
  return time === undefined ? realPerformanceNow() : time.now - (running.getStore()?.startedAt ?? 0);
});
put(Math, "random", () => currentWorld()?.random.next() ?? realRandom());
const { randomFillSync, randomBytes, randomInt, randomUUID } = crypto;
put(crypto, "randomFillSync", (bytes: Uint8Array) => {
  const world = currentWorld();
  if (world === undefined) return randomFillSync(bytes);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = world.random.between(0, 255);
  return bytes;
});
put(crypto, "randomBytes", (size: number) => {
  const world = currentWorld();
  return world === undefined
    ? randomBytes(size)
    : Buffer.from(Array.from({ length: size }, () => world.random.between(0, 255)));
});
put(crypto, "randomInt", (from: number, before: number) => {
  const world = currentWorld();
  return world === undefined ? randomInt(from, before) : world.random.between(from, before - 1);
});
put(crypto, "randomUUID", () => {
  if (currentWorld() === undefined) return randomUUID();
  const hex = crypto.randomBytes(16).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
});
put(timersPromises, "setTimeout", delay);
syncBuiltinESMExports();
