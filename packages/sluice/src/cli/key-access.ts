// Whether a gateway may start, by the API keys that were read: not by a file that was there a moment ago.
import type { IntakeSettings, KeySource } from "../config/settings.ts";
import { messageOf, SluiceError } from "../core/errors.ts";
import { wrong } from "../core/setting.ts";
import { isLoopback } from "../core/loopback.ts";
import type { Engine } from "../engine/engine.ts";
import { KeyRing } from "../gateway/access/key-ring.ts";
import type { Logger } from "../telemetry/log.ts";

type KeySettings = Pick<IntakeSettings, "keys" | "host" | "admin" | "front">;

export interface KeyAccess {
  readonly engine: Engine;
  readonly settings: KeySettings;
  /** Opens a store on purpose that was served with keys. */
  readonly isWithoutKeys: boolean;
  readonly log: Logger;
}

/** Errors: `bad-config`, when the keys cannot be read, or are needed and not there. */
export async function openKeys({ engine, settings, isWithoutKeys, log }: KeyAccess): Promise<KeyRing> {
  const keys = await KeyRing.open({ source: settings.keys, clock: engine.clock, log });
  try {
    if (keys.isClosed && isWithoutKeys)
      throw new SluiceError("bad-config", `--without-keys, and there are API keys in ${placeOf(settings.keys)}`);
    if (!keys.isClosed) assertMayBeOpen(settings);
    const wasKeyed = await engine.wasKeyed?.();
    if (wasKeyed === true && !keys.isClosed && !isWithoutKeys) throw keysMissing(placeOf(settings.keys));
    if (wasKeyed === !keys.isClosed) await engine.noteKeyed?.(keys.isClosed);
    noteWhenClosed(keys, engine, log);
    return keys;
  } catch (error) {
    keys[Symbol.dispose]();
    throw error;
  }
}

/** Without API keys nobody but this machine may reach the gateway. */
function assertMayBeOpen({ keys, host, admin, front }: KeySettings): void {
  const place = placeOf(keys);
  if (keys.kind === "file" && keys.isNamed)
    throw wrong("keys", "must be a file that exists; make a key with sluice keys create", place);
  for (const listened of [host, admin?.host ?? host]) {
    if (isLoopback(listened)) continue;
    const rule = `must be a loopback address while there are no API keys; make one with sluice keys create, in ${place}`;
    throw wrong("host", rule, listened);
  }
  assertFrontIsKeyless(front, place);
}

/** Without keys a route that takes them would let everybody in. */
function assertFrontIsKeyless(front: KeySettings["front"], place: string): void {
  if (front === undefined || isLoopback(front.host)) return;
  const keyed = front.routes.find(({ verify }) => verify?.kind === "sluiceKeys");
  if (keyed === undefined) return;
  const found = `front.routes[${JSON.stringify(keyed.name)}].verify is sluiceKeys, and there are no API keys`;
  throw new SluiceError("bad-config", `${found}: make one with sluice keys create, in ${place}`);
}

function placeOf(keys: KeySource): string {
  return keys.kind === "file" ? keys.file : "SLUICE_KEYS";
}

function keysMissing(file: string): SluiceError {
  const found = `the store was served with API keys, and ${file} is not there`;
  const advice =
    "put it back, or make new keys with sluice keys create. To go on without keys, start with --without-keys";
  return new SluiceError("bad-config", `${found}: ${advice}`);
}

/** The first key may be made while the gateway runs. */
function noteWhenClosed(keys: KeyRing, engine: Engine, log: Logger): void {
  if (keys.isClosed) return;
  const watch = keys.watch(() => {
    if (!keys.isClosed) return;
    watch[Symbol.dispose]();
    engine
      .noteKeyed?.(true)
      .catch((error: unknown) =>
        log.warn({ err: messageOf(error) }, "the store could not note that there are API keys: the next start does"),
      );
  });
}
