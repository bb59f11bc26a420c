// GET /openapi.json: the API's description. It is loaded and made when somebody asks for it first.
import type { App, GatewayContext } from "../context.ts";

export function addOpenApiRoute(app: App, { version, limits }: GatewayContext): void {
  let description: Promise<string> | undefined;
  app.get("/openapi.json", async (_request, reply) => {
    description ??= import("./document.ts").then(({ describeApi }) => describeApi({ version, limits }));
    // As bytes: to a string Fastify adds a charset, which application/json does not have.
    return reply.type("application/json").send(Buffer.from(await description));
  });
}
