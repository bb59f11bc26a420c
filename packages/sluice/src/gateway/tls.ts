// The certificate that the gateway shows, read again when it is renewed. It owns the watch over its files.
import { unwatchFile, watchFile } from "node:fs";
import { createSecureContext } from "node:tls";
import type { Server } from "node:https";
import { messageOf, SluiceError } from "../core/errors.ts";
import { readNamedFile } from "../files/read-file.ts";
import type { Logger } from "../telemetry/log.ts";

export interface TlsFiles {
  /** The certificate and those between it and its root, as PEM. */
  readonly cert: string;
  /** Its private key, as PEM. */
  readonly key: string;
}

export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

const lookEveryMs = 1_000;
const bytesMax = 1024 * 1024;

/** Errors: `bad-config`, naming the files, when they are not there or do not belong together. */
export async function readCertificate({ cert, key }: TlsFiles): Promise<Certificate> {
  const [certificate, privateKey] = await Promise.all([
    readNamedFile({ what: "the certificate", path: cert, bytesMax }),
    readNamedFile({ what: "the certificate's key", path: key, bytesMax }),
  ]);
  try {
    createSecureContext({ cert: certificate, key: privateKey });
    return { cert: certificate, key: privateKey };
  } catch (cause) {
    const message = `the certificate ${cert} with the key ${key} cannot be used: ${messageOf(cause)}`;
    throw new SluiceError("bad-config", message, { cause });
  }
}

/** New connections get the new certificate; one that cannot be used leaves the old one as it is. */
export function followCertificate(files: TlsFiles, servers: () => readonly Server[], log: Logger): Disposable {
  const look = async (): Promise<void> => {
    try {
      const certificate = await readCertificate(files);
      for (const server of servers()) server.setSecureContext(certificate);
      log.info({ cert: files.cert }, "the certificate was read");
    } catch (error) {
      log.error({ err: error }, "the new certificate cannot be used: the one from before is shown"); // often half renewed
    }
  };
  const onChange = (): void => void look();
  for (const file of [files.cert, files.key]) watchFile(file, { interval: lookEveryMs, persistent: false }, onChange);
  return {
    [Symbol.dispose]: () => {
      for (const file of [files.cert, files.key]) unwatchFile(file, onChange);
    },
  };
}
