// A queue's target, and whether it may be called.
import { isIP } from "node:net";
import { SluiceError } from "../core/errors.ts";
import { wrong } from "../core/setting.ts";
import { addressRule, hostOf, refusalOfUrl, type AddressOptions } from "../outbound/address-rule.ts";
import type { TargetsConfig } from "./config.ts";
import type { Overrides } from "./overrides.ts";
import type { RunSettings } from "./settings.ts";
import { assertObject, readTexts } from "./read-value.ts";

const targetsFields = ["schemes", "hosts", "allow"];

/** What the file and the flags say of addresses. Errors: `bad-config`. */
export function readTargets(targets: TargetsConfig = {}, { targetAllow }: Overrides): AddressOptions {
  assertObject("targets", targets, targetsFields);
  for (const [field, texts] of Object.entries(targets)) readTexts(`targets.${field}`, texts);
  const allow = targetAllow?.split(",").map((entry) => entry.trim()) ?? targets.allow;
  addressRule({ ...targets, allow }); // so that a wrong one is told even where no queue has a target
  return { ...targets, allow };
}

export function readTarget(place: string, target: string, options: AddressOptions): RunSettings {
  const url = URL.canParse(target) ? new URL(target) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw wrong(place, "must be an http or https URL", target);
  const rule = addressRule({ ...options, allow: [...(options.allow ?? []), ...impliedBy(url)] });
  const refusal = refusalOfUrl(url, rule);
  if (refusal !== undefined) throw new SluiceError("bad-config", `${place}: ${refusal.message}`);
  return { kind: "target", url, rule };
}

/** Who writes an address or localhost has said where it leads; a name may lead anywhere, and elsewhere tomorrow. */
function impliedBy({ hostname }: URL): readonly string[] {
  const host = hostOf(hostname);
  if (host === "localhost") return [host];
  if (isIP(host) === 0) return [];
  const isPrivate = refusalOfUrl(new URL(`http://${hostname}`), addressRule({ allow: ["private"] })) === undefined;
  return isPrivate ? [host] : []; // not where a cloud keeps credentials: that takes more words
}
