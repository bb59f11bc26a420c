// GET /metrics: the page that Prometheus reads.
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import type { Meter } from "./meter.ts";
import { metricDataOf } from "./metric-data.ts";
import { prometheusName, type MetricName } from "./metrics.ts";

export const prometheusType = "text/plain; version=0.0.4; charset=utf-8";

const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);

export async function prometheusPage(meter: Meter, onError: (error: unknown) => void): Promise<string> {
  return serializer.serialize(await metricDataOf({ meter, rename, onError }));
}

/** The unit is in the name: a line of its own for it is none of this format. */
function rename(name: MetricName): { readonly name: string; readonly unit: string } {
  return { name: prometheusName(name), unit: "" };
}
