// GET /openapi.json: made of the schemas that validate.
import swagger from "@fastify/swagger";
import { Type } from "typebox";
import type { App } from "./context.ts";
import { answers } from "./schemas.ts";

/** Before the routes, so that it sees them all. */
export async function addOpenApi(app: App, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Sluice",
        version,
        description:
          "Accepts requests durably and keeps their results. Times are RFC 3339 in UTC. A connection that ends without an answer leaves open whether a request was stored: sent again with its Idempotency-Key, it is not stored twice.",
      },
    },
    transform: ({ schema, url, route }) => ({ schema: { ...schema, ...route.config?.described }, url }),
  });
  const description = { description: "The API's description", schema: Type.Unknown() };
  const schema = { summary: description.description, tags: ["server"], response: answers({ 200: description }) };
  app.get("/openapi.json", { schema }, () => Promise.resolve(app.swagger()));
}
