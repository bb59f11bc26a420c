// A meter's counts in the shape in which OpenTelemetry's exporters take them.
import { ValueType, type HrTime } from "@opentelemetry/api";
import { resourceFromAttributes, type Resource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type MetricProducer,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import type { Family, Histogram, Labels, Meter } from "./meter.ts";
import { definitionOf, type MetricName } from "./metrics.ts";

export interface NamedUnit {
  readonly name: string;
  readonly unit: string;
}

export interface MetricDataOptions {
  readonly meter: Meter;
  readonly resource?: Resource;
  /** How a metric is called; by the table unless given. */
  readonly rename?: (name: MetricName) => NamedUnit;
  readonly onError: (error: unknown) => void;
}

export async function metricDataOf(options: MetricDataOptions): Promise<ResourceMetrics> {
  const { meter, resource = resourceFromAttributes({}), rename = asTheTableHasIt, onError } = options;
  const families = await meter.collect(onError);
  const times = { startTime: hrTime(meter.startedAt), endTime: hrTime(Date.now()) };
  const metrics = families
    .filter(({ points }) => points.length > 0)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((family) => dataOf(family, times, rename(family.name)));
  return { resource, scopeMetrics: [{ scope: { name: "sluice" }, metrics }] };
}

/** What a reader of OpenTelemetry's SDK asks for its metrics. */
export function metricProducer(options: MetricDataOptions): MetricProducer {
  return { collect: async () => ({ resourceMetrics: await metricDataOf(options), errors: [] }) };
}

interface Times {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
}

function dataOf(family: Family, times: Times, { name, unit }: NamedUnit): MetricData {
  const { kind, meaning } = definitionOf(family.name);
  const shared = {
    descriptor: { name, unit, description: meaning, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  if (family.kind === "histogram") {
    const dataPoints = family.points.map((point) => ({
      ...times,
      attributes: attributesOf(point.labels),
      value: bucketsOf(point),
    }));
    return { ...shared, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
  const dataPoints = family.points.map(({ labels, value }) => ({ ...times, attributes: attributesOf(labels), value }));
  if (kind === "gauge") return { ...shared, dataPointType: DataPointType.GAUGE, dataPoints };
  return { ...shared, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints };
}

/** A label that says nothing is left out. */
function attributesOf(labels: Labels): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ""));
}

function bucketsOf({ bounds, counts, sum, count }: Histogram) {
  return { buckets: { boundaries: [...bounds], counts: [...counts] }, sum, count };
}

function asTheTableHasIt(name: MetricName): NamedUnit {
  return { name, unit: definitionOf(name).unit };
}

function hrTime(ms: number): HrTime {
  return [Math.trunc(ms / 1_000), Math.round((ms % 1_000) * 1e6)];
}
