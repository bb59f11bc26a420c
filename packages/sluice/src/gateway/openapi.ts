// GET /openapi.json: made of the schemas that validate.
import swagger from "@fastify/swagger";
import { Type } from "typebox";
import type { RouteAccess } from "./access/route-access.ts";
import type { App } from "./context.ts";
import { answers } from "./schemas.ts";

/** Before the routes, so that it sees them all. */
export async function addOpenApi(app: App, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      components: {
        securitySchemes: {
          key: {
            type: "http",
            scheme: "bearer",
            description:
              "An API key, as `sluice keys create` shows it. Each route names the scope that the key needs. A key that is limited to some queues gets 404 for what is in others. While a server has no keys it needs none, and listens on loopback addresses only.",
          },
        },
      },
      info: {
        title: "Sluice",
        version,
        description:
          "Accepts requests durably and keeps their results. Times are RFC 3339 in UTC. A connection that ends without an answer leaves open whether a request was stored: sent again with its Idempotency-Key, it is not stored twice.",
      },
    },
    transform: ({ schema, url, route }) => ({
      schema: { ...schema, ...route.config?.described, security: securityOf(route.config?.access) },
      url,
    }),
  });
  const description = { description: "The API's description", schema: Type.Unknown() };
  const schema = { summary: description.description, tags: ["server"], response: answers({ 200: description }) };
  app.get("/openapi.json", { schema }, () => Promise.resolve(app.swagger()));
}

/** From version 3.1 on, what stands beside a scheme that has no scopes of its own are the roles that are needed. */
function securityOf(access: RouteAccess | undefined): readonly Record<string, readonly string[]>[] {
  if (access === undefined || access.kind === "public") return [];
  return [{ key: access.scope === undefined ? [] : [access.scope] }];
}
