// What orchestrators and newcomers ask first.
import { Type } from "typebox";
import type { App, GatewayContext } from "./context.ts";
import { answers, Readiness } from "./schemas.ts";

export function addProbeRoutes(app: App, { admission, keys }: GatewayContext): void {
  const tags = ["server"];
  const live = { description: "The process runs", schema: Type.Object({ live: Type.Boolean() }) };
  app.get("/livez", { schema: { summary: "Whether the process runs", tags, response: answers({ 200: live }) } }, () =>
    Promise.resolve({ live: true }),
  );

  const readiness = {
    description:
      "Whether it takes new work, and what is out; ready in spite of a problem means that it goes on without",
    schema: Readiness,
  };
  const readySchema = {
    summary: "Whether it takes new work, and what is out",
    tags,
    response: answers({ 200: readiness, 503: readiness }),
  };
  app.get("/readyz", { schema: readySchema }, (_request, reply) => {
    const { isReady, problems } = admission.readiness();
    return reply
      .code(isReady ? 200 : 503)
      .send({ ready: isReady, problems: [...problems], keys: keys?.generation ?? null });
  });
}
