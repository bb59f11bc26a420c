// The routes that prove what is kept: the audit, the healing of what the broker lacks, the look-up of one receipt.
import type { AuditReport } from "../engine/audit.ts";
import { auditSeenBy } from "./audit-seen.ts";
import { discardBody } from "./body.ts";
import type { App, GatewayContext } from "./context.ts";
import { knownId } from "./read.ts";
import { answers, Audit, Healing, IdParams, ReceiptProof } from "./schemas.ts";
import { timeText } from "./time-text.ts";

export function addAuditRoutes(app: App, { engine, audit, activity }: GatewayContext): void {
  const tags = ["audit"];

  const auditSchema = {
    summary: "The conservation law, queue by queue, and what is stored against the chain of what was accepted",
    tags,
    description:
      "Counts every row. A gateway runs one audit at a time, and callers that arrive meanwhile share the next one: a response " +
      "is never older than its request, and no caller waits for more than two audits.",
    response: answers({ 200: { description: "The verdict; 200 also when the law does not hold", schema: Audit } }),
  };
  app.get("/v1/audit", { schema: auditSchema }, async ({ viewer }) => {
    return viewOfAudit(auditSeenBy(viewer, await audit()));
  });

  const healSchema = {
    summary: "Tell the broker again of what is stuck; doubles do no harm",
    tags,
    response: answers({ 200: { description: "How many requests; 0 where there is no broker", schema: Healing } }),
  };
  app.post("/v1/audit/heal", { schema: healSchema }, async (request) => {
    discardBody(request.raw);
    const healed = (await engine.heal?.()) ?? 0;
    await activity.note(request, { what: "healed", about: "every queue", requests: healed });
    return { healed };
  });

  const proofSchema = {
    summary: "Look a receipt up in the chain of what was accepted",
    tags,
    params: IdParams,
    response: answers({ 200: { description: "The verdict", schema: ReceiptProof } }),
  };
  app.get("/v1/audit/receipts/:id", { schema: proofSchema }, async (request) => {
    const id = knownId(request.params.id);
    const { verdict, link } = await engine.prove(id);
    return { id, verdict, link: link ?? null };
  });
}

function viewOfAudit({ hours, ...report }: AuditReport) {
  return { ...report, hours: hours.map(({ hourAt, ...hour }) => ({ ...hour, hour: timeText(hourAt) })) };
}
