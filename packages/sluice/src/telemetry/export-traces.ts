// Sends spans to a collector by OTLP over HTTP. What the collector does not take in time is dropped: traces hold nothing up.
import type { Tracer } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type Sampler,
} from "@opentelemetry/sdk-trace";
import { messageOf } from "../core/errors.ts";
import type { ExportOptions } from "./export.ts";
import { readOtelSetting } from "./otel-settings.ts";
import { resourceOf } from "./resource.ts";
import { tellThrough } from "./tell-through.ts";

export interface Traces extends AsyncDisposable {
  readonly tracer: Tracer;
}

/** A collector that is out must not hold up a stop. */
const lastTimeoutMs = 3_000;

export function exportTraces({ instance, version, env, log }: Omit<ExportOptions, "meter">): Traces {
  tellThrough(log);
  const processor = new BatchSpanProcessor({
    exporter: new OTLPTraceExporter(),
    scheduledDelayMillis: readOtelSetting("OTEL_BSP_SCHEDULE_DELAY", env),
    exportTimeoutMillis: lastTimeoutMs,
  });
  const provider = new TracerProvider({
    resource: resourceOf({ instance, version }),
    sampler: samplerOf(env),
    spanProcessors: [processor],
  });
  return {
    tracer: provider.getTracer("sluice", version),
    async [Symbol.asyncDispose]() {
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, lastTimeoutMs);
      try {
        await Promise.race([provider.shutdown(), late.promise]);
      } catch (error) {
        log.warn({ err: messageOf(error) }, "the last spans were not sent");
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** As OTEL_TRACES_SAMPLER and its argument say: the SDK itself does not read them. What the client decided goes first. */
function samplerOf(env: ExportOptions["env"]): Sampler {
  const name = env["OTEL_TRACES_SAMPLER"]?.trim() || "parentbased_always_on";
  const root = rootSamplerOf(name.replace(/^parentbased_/, ""), env["OTEL_TRACES_SAMPLER_ARG"]);
  return name.startsWith("parentbased_") ? new ParentBasedSampler({ root }) : root;
}

function rootSamplerOf(name: string, argument: string | undefined): Sampler {
  if (name === "always_off") return new AlwaysOffSampler();
  if (name !== "traceidratio") return new AlwaysOnSampler();
  const ratio = Number(argument ?? 1);
  return new TraceIdRatioBasedSampler(ratio >= 0 && ratio <= 1 ? ratio : 1);
}
