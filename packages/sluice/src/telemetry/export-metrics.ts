// Sends metrics to a collector by OTLP over HTTP, every minute unless OTEL_METRIC_EXPORT_INTERVAL says otherwise.
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { messageOf } from "../core/errors.ts";
import type { ExportOptions } from "./export.ts";
import { metricProducer } from "./metric-data.ts";
import { readOtelSetting } from "./otel-settings.ts";
import { resourceOf } from "./resource.ts";
import { tellThrough } from "./tell-through.ts";

/** A collector that is out must not hold up a stop. */
const lastTimeoutMs = 3_000;

export function exportMetrics({ meter, instance, version, env, log }: ExportOptions): AsyncDisposable {
  tellThrough(log);
  const exportIntervalMillis = readOtelSetting("OTEL_METRIC_EXPORT_INTERVAL", env);
  const exportTimeoutMillis = Math.min(exportIntervalMillis, readOtelSetting("OTEL_METRIC_EXPORT_TIMEOUT", env));
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(),
    exportIntervalMillis,
    exportTimeoutMillis,
  });
  const onError = (error: unknown): void => log.warn({ err: messageOf(error) }, "some metrics cannot be read");
  reader.setMetricProducer(metricProducer({ meter, resource: resourceOf({ instance, version }), onError }));
  return {
    async [Symbol.asyncDispose]() {
      try {
        await reader.shutdown({ timeoutMillis: lastTimeoutMs });
      } catch (error) {
        log.warn({ err: messageOf(error) }, "the last metrics were not sent");
      }
    },
  };
}
