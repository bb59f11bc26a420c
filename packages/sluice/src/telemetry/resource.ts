// Who sends: what OpenTelemetry calls the resource. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before it.
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  serviceNameEnvDetector,
  resourceFromAttributes,
  type Resource,
} from "@opentelemetry/resources";

export interface Sender {
  /** Which of many processes this is. */
  readonly instance: string;
  readonly version: string;
}

/** The command line is left out on purpose: it may hold passwords. */
export function resourceOf({ instance, version }: Sender): Resource {
  const own = resourceFromAttributes({
    "service.name": "sluice",
    "service.version": version,
    "service.instance.id": instance,
  });
  return defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] }));
}
