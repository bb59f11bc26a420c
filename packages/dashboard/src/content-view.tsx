// The body or the result of a request: its first bytes as JSON, text or hex, and all of them as a download.
import { useEffect, useState } from "preact/hooks";
import { call, chunksOf, isAbort, problemWords } from "./api.ts";
import { fileName, hexBytesMax, show, type Bytes, type Shown } from "./content.ts";
import { useAction } from "./use-action.ts";
import { bytesWords } from "./words.ts";

/** More is not shown: nobody reads it, and the page would stall. */
const shownBytesMax = 256 * 1024;

interface ContentViewProps {
  readonly title: string;
  readonly path: string;
  /** For the file of a download. */
  readonly name: string;
  readonly id: string;
  /** Read again when it changes. */
  readonly mark: string;
}

export function ContentView({ title, path, name, id, mark }: ContentViewProps) {
  const [content, setContent] = useState<Bytes & { readonly total: number | undefined }>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    const abort = new AbortController();
    const read = async (): Promise<void> => {
      try {
        setContent(await readFirst(path, abort.signal));
        setProblem(undefined);
      } catch (error) {
        if (!isAbort(error)) setProblem(problemWords(error));
      }
    };
    void read();
    return () => abort.abort();
  }, [path, mark]);
  const download = useAction(async () => save(await call(path), { name, id }));
  const shown = content && show(content);
  return (
    <section class="content" aria-labelledby={`content-${name}`}>
      <header>
        <h2 id={`content-${name}`}>{title}</h2>
        {content !== undefined && (
          <span class="quiet">
            {content.contentType}
            {content.total !== undefined && `, ${bytesWords(content.total)}`}
          </span>
        )}
        <button type="button" aria-disabled={download.isRunning} onClick={() => download.run()}>
          Download
        </button>
      </header>
      {(problem ?? download.problem) !== undefined && (
        <p class="problem" role="alert">
          {problem ?? download.problem}
        </p>
      )}
      {shown !== undefined && <ShownView shown={shown} title={title} />}
      {content !== undefined && shown !== undefined && isCut(content, shown) && (
        <p class="quiet">These are the first {bytesWords(shown.kind === "hex" ? hexBytesMax : shownBytesMax)} of it.</p>
      )}
    </section>
  );
}

function ShownView({ shown, title }: { readonly shown: Shown; readonly title: string }) {
  if (shown.kind === "empty") return <p class="quiet">It is empty.</p>;
  return (
    <pre class={`panel bytes bytes-${shown.kind}`} tabIndex={0} role="region" aria-label={`${title} as ${shown.kind}`}>
      {shown.text}
    </pre>
  );
}

function isCut({ isWhole, bytes }: Bytes, { kind }: Shown): boolean {
  return !isWhole || (kind === "hex" && bytes.length > hexBytesMax);
}

async function readFirst(path: string, signal: AbortSignal): Promise<Bytes & { readonly total: number | undefined }> {
  const response = await call(path, { signal });
  const total = Number(response.headers.get("content-length") ?? Number.NaN);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of chunksOf(response.body)) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > shownBytesMax) break;
  }
  const all = new Uint8Array(await new Blob(chunks).arrayBuffer());
  return {
    contentType: response.headers.get("content-type") ?? "application/octet-stream",
    bytes: all.subarray(0, shownBytesMax),
    isWhole: size <= shownBytesMax,
    total: Number.isNaN(total) ? undefined : total,
  };
}

async function save(response: Response, { name, id }: { readonly name: string; readonly id: string }): Promise<void> {
  const url = URL.createObjectURL(new Blob([await response.arrayBuffer()]));
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName(name, id, response.headers.get("content-type") ?? "");
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
