// What orchestrators and newcomers ask first.
import type { App, GatewayContext } from "./context.ts";

export function addProbeRoutes(app: App, { admission, keys }: GatewayContext): void {
  app.get("/livez", () => Promise.resolve({ live: true }));

  app.get("/readyz", (_request, reply) => {
    const { isReady, problems, carriers = null } = admission.readiness();
    return reply
      .code(isReady ? 200 : 503)
      .send({ ready: isReady, problems: [...problems], carriers, keys: keys?.generation ?? null });
  });
}
