// Certificates for tests, by an authority of their own.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "./system-program.ts";

export interface Authority {
  /** The file of its own certificate: what trusts it trusts what it issues. */
  readonly ca: string;
  /** Makes a certificate for 127.0.0.1 and localhost, or for another name. */
  issue(name?: string): CertificateFiles;
}

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** Makes an authority whose files are in the folder. */
export function makeAuthority(folder: string): Authority {
  const openssl = findProgram({ program: "openssl", debianPackage: "openssl" });
  const run = (...args: readonly string[]): void => {
    execFileSync(openssl, args, { stdio: ["ignore", "ignore", "pipe"] });
  };
  const elliptic = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const [ca, caKey] = [join(folder, "ca.pem"), join(folder, "ca.key")];
  run("req", "-x509", ...elliptic, "-days", "2", "-subj", "/CN=Test authority", "-keyout", caKey, "-out", ca);
  return {
    ca,
    issue(name) {
      const base = join(folder, randomBytes(4).toString("hex"));
      const [cert, key, ask, extensions] = [".pem", ".key", ".csr", ".ext"].map((end) => base + end) as [
        string,
        string,
        string,
        string,
      ];
      writeFileSync(
        extensions,
        `subjectAltName=${name === undefined ? "IP:127.0.0.1,DNS:localhost" : `DNS:${name}`}\n`,
      );
      run("req", ...elliptic, "-subj", `/CN=${name ?? "localhost"}`, "-keyout", key, "-out", ask);
      run(
        "x509",
        "-req",
        "-in",
        ask,
        "-CA",
        ca,
        "-CAkey",
        caKey,
        "-CAcreateserial",
        "-days",
        "2",
        "-out",
        cert,
        "-extfile",
        extensions,
      );
      return { cert, key };
    },
  };
}
