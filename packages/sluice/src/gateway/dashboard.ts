// GET / and its assets: the dashboard, read into memory when somebody asks for it first. Programs that do not ask for
// HTML get the index of the API instead.
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";
import { SluiceError } from "../core/errors.ts";
import type { App, GatewayContext } from "./context.ts";
import { pathOf } from "./problem.ts";

/** No inline script or style, nothing from another host, in no frame. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

const links = {
  queues: "/v1/queues",
  requests: "/v1/requests",
  audit: "/v1/audit",
  api: "/openapi.json",
  ready: "/readyz",
};

export function addDashboardRoutes(app: App, { version, dashboardFolder }: GatewayContext): void {
  const read = readOnce(dashboardFolder);
  app.get("/", async (request, reply) => {
    reply.header("vary", "accept, accept-encoding");
    if (!/\btext\/html\b/.test(request.headers.accept ?? "")) return reply.send({ name: "sluice", version, links });
    const asset = (await read()).get("index.html");
    if (asset === undefined) return reply.code(503).type("text/html; charset=utf-8").send(notBuilt);
    return sendAsset(request, reply, { asset, cacheControl: "no-cache" });
  });
  // Their names have a hash of what is in them: they never change.
  app.get("/assets/*", async (request, reply) => {
    const path = pathOf(request);
    const asset = (await read()).get(path.slice(1));
    if (asset === undefined) throw new SluiceError("not-found", `there is no ${path}`);
    reply.header("vary", "accept-encoding");
    return sendAsset(request, reply, { asset, cacheControl: "public, max-age=31536000, immutable" });
  });
}

interface Asset {
  readonly type: string;
  readonly etag: string;
  /** By content coding. */
  readonly bytes: Readonly<Record<"br" | "gzip" | "identity", Buffer>>;
}

type Assets = ReadonlyMap<string, Asset>;

/** Reads the folder when it is first asked for; a folder that is not there may come. */
function readOnce(folder: string | undefined): () => Promise<Assets> {
  let reading: Promise<Assets> | undefined;
  return async () => {
    reading ??= readAssets(folder);
    const assets = await reading;
    if (!assets.has("index.html")) reading = undefined;
    return assets;
  };
}

async function readAssets(folder: string | undefined): Promise<Assets> {
  if (folder === undefined) return new Map();
  const files = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  });
  const entries = files
    .filter((file) => file.isFile() && types[extname(file.name)] !== undefined)
    .map(async (file): Promise<[string, Asset]> => {
      const path = join(file.parentPath, file.name);
      const name = path.slice(join(folder, "/").length).replaceAll("\\", "/");
      return [name, await assetOf(await readFile(path), types[extname(name)] as string)];
    });
  return new Map(await Promise.all(entries));
}

async function assetOf(identity: Buffer, type: string): Promise<Asset> {
  const [br, gz] = await Promise.all([promisify(brotliCompress)(identity), promisify(gzip)(identity, { level: 9 })]);
  const hash = createHash("sha256").update(identity).digest("base64url").slice(0, 16);
  return { type, etag: `"${hash}"`, bytes: { br, gzip: gz, identity } };
}

interface AssetAnswer {
  readonly asset: Asset;
  readonly cacheControl: string;
}

function sendAsset(request: FastifyRequest, reply: FastifyReply, { asset, cacheControl }: AssetAnswer): FastifyReply {
  const coding = codingFor(request.headers["accept-encoding"] ?? "");
  reply
    .type(asset.type)
    .header("cache-control", cacheControl)
    .header("etag", asset.etag)
    .header("content-security-policy", contentSecurityPolicy)
    .header("x-content-type-options", "nosniff")
    .header("referrer-policy", "no-referrer");
  if (request.headers["if-none-match"] === asset.etag) return reply.code(304).send();
  if (coding !== "identity") reply.header("content-encoding", coding);
  return reply.send(asset.bytes[coding]);
}

function codingFor(accepted: string): keyof Asset["bytes"] {
  const isAccepted = (coding: string): boolean =>
    new RegExp(`\\b${coding}\\b(?!\\s*;\\s*q=0(?:\\.0*)?\\b)`).test(accepted);
  if (isAccepted("br")) return "br";
  return isAccepted("gzip") ? "gzip" : "identity";
}

const notBuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sluice: the dashboard is not built</title>
<h1>Sluice runs. Its dashboard is not built.</h1>
<p>Build it in the folder of Sluice with <code>npm run build:dashboard</code> and load this page again: no restart is needed.
<p>The API is described at <a href="/openapi.json">/openapi.json</a>.
</html>
`;
