// Whether metrics and traces are sent to a collector. Nothing of OpenTelemetry's exporters is loaded unless they are.
import type { Tracer } from "@opentelemetry/api";
import type { Logger } from "./log.ts";
import type { Meter } from "./meter.ts";
import type { Sender } from "./resource.ts";

export interface ExportOptions extends Sender {
  readonly meter: Meter;
  /** OpenTelemetry's own variables: it reads the same from the process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
}

export interface Export extends AsyncDisposable {
  /** Absent where no traces are sent: then no span is made. */
  readonly tracer: Tracer | undefined;
}

/** Sends the meter's counts, and spans, by OTLP where an endpoint is set. Disposing sends the last ones. */
export async function openExport(options: ExportOptions): Promise<Export> {
  await using opened = new AsyncDisposableStack();
  if (isExported("METRICS", options.env)) {
    const { exportMetrics } = await import("./export-metrics.ts");
    opened.use(exportMetrics(options));
  }
  let tracer: Tracer | undefined;
  if (isExported("TRACES", options.env)) {
    const { exportTraces } = await import("./export-traces.ts");
    ({ tracer } = opened.use(exportTraces(options)));
  }
  const exporters = opened.move();
  return { tracer, [Symbol.asyncDispose]: () => exporters.disposeAsync() };
}

/** By the endpoint of the signal or of all; `OTEL_SDK_DISABLED` and `OTEL_METRICS_EXPORTER=none` or the like turn it off. */
function isExported(signal: "METRICS" | "TRACES", env: ExportOptions["env"]): boolean {
  if (env["OTEL_SDK_DISABLED"]?.trim().toLowerCase() === "true") return false;
  if (env[`OTEL_${signal}_EXPORTER`]?.trim() === "none") return false;
  return Boolean(env["OTEL_EXPORTER_OTLP_ENDPOINT"] || env[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`]);
}
