/** Of the engine that a run has for itself. */
export const images = {
  /** What `docker build` is given as BASE. */
  base: "sluice-test-base",
  /** PostgreSQL, RabbitMQ and Redis, in the place of their official images. */
  servers: "sluice-test-servers",
  sluice: "sluice:test",
} as const;
