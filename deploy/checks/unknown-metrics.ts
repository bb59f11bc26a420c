// Expressions for Prometheus that name a metric which Sluice does not have would be silent for ever.
import { definitionOf, metrics, prometheusName, type MetricName } from "../../packages/sluice/src/telemetry/metrics.ts";

const known: ReadonlySet<string> = new Set(
  (Object.keys(metrics) as MetricName[]).flatMap((name) =>
    definitionOf(name).kind === "histogram"
      ? ["_bucket", "_sum", "_count"].map((suffix) => prometheusName(name) + suffix)
      : [prometheusName(name)],
  ),
);

/** The names in them that no page of Sluice has. */
export function unknownMetrics(expressions: readonly string[]): readonly string[] {
  const named = expressions.flatMap((expression) =>
    withoutLabels(expression).match(/\b(?:sluice|http|messaging)_\w+/g),
  );
  return [...new Set(named.filter((name) => name !== null && !known.has(name)))] as string[];
}

/** Labels and groupings hold names as well, of other things. */
function withoutLabels(expression: string): string {
  return expression.replaceAll(/\{[^}]*\}/g, "").replaceAll(/\b(?:by|without|on)\s*\([^)]*\)/g, "");
}
