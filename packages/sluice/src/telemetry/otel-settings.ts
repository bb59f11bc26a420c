// OpenTelemetry's own variables that are numbers, all in milliseconds.
import { readSetting, type Setting } from "../core/setting.ts";

const dayMs = String(24 * 60 * 60 * 1_000);

export const otelSettings = {
  OTEL_METRIC_EXPORT_INTERVAL: { kind: "integer", min: "1", max: dayMs, default: "60000" },
  OTEL_METRIC_EXPORT_TIMEOUT: { kind: "integer", min: "1", max: dayMs, default: "30000" },
  OTEL_BSP_SCHEDULE_DELAY: { kind: "integer", min: "1", max: dayMs, default: "5000" },
} as const satisfies Readonly<Record<string, Setting>>;

/** An empty variable counts as not set. Errors: `bad-config`. */
export function readOtelSetting(
  name: keyof typeof otelSettings,
  env: Readonly<Record<string, string | undefined>>,
): number {
  return readSetting(name, otelSettings[name], env[name]?.trim() || undefined);
}
