// Whether the page is live, and what it says when the gateway goes away and comes back.
import { useEffect, useState } from "preact/hooks";
import type { Live } from "./live.ts";
import { carrierWords, durationWords, timeWords } from "./words.ts";

export function LinkState({ live: { link, overview } }: { readonly live: Live }) {
  const words = { connecting: "Connecting", live: "Live", gone: "Not connected", locked: "Needs a key" }[link.kind];
  return (
    <p class={`link link-${link.kind}`}>
      <span class="dot" aria-hidden="true" />
      <span>{words}</span>
      {overview !== undefined && <span class="version">{overview.version}</span>}
      {overview?.carriers && <span class="version">{carrierWords(overview.carriers)}</span>}
    </p>
  );
}

const welcomeMs = 6_000;

export function LinkNotice({ live, onRetry }: { readonly live: Live; readonly onRetry: () => void }) {
  const { link, returns, overview, unreadable } = live;
  const isWelcome = useAwhile(returns);
  return (
    <div class="notices" role="status">
      {link.kind === "gone" && (
        <p class="notice notice-bad">
          <span>
            The gateway has not answered since {timeWords(link.sinceMs, Date.now())}.{" "}
            {overview === undefined ? "" : "What you see is from then. "}
            <RetryWords retryAtMs={link.retryAtMs} />
          </span>
          <button type="button" onClick={onRetry}>
            Try now
          </button>
        </p>
      )}
      {link.kind === "live" && isWelcome && <p class="notice notice-good">The gateway is back.</p>}
      {link.kind === "live" && unreadable !== undefined && (
        <p class="notice notice-bad">The store cannot be read: {unreadable.message}</p>
      )}
      {link.kind === "live" &&
        overview?.problems.map(({ code, message }) => (
          <p key={code} class={`notice ${overview.ready ? "notice-warn" : "notice-bad"}`}>
            {overview.ready ? "It goes on without something: " : "It takes no new requests: "}
            {message}
          </p>
        ))}
    </div>
  );
}

function RetryWords({ retryAtMs }: { readonly retryAtMs: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const leftMs = retryAtMs - now;
  return <>{leftMs < 1_000 ? "Trying again." : `Trying again in ${durationWords(leftMs)}.`}</>;
}

/** True for a while after each change. */
function useAwhile(count: number): boolean {
  const [over, setOver] = useState(0);
  useEffect(() => {
    const timer = setTimeout(() => setOver(count), welcomeMs);
    return () => clearTimeout(timer);
  }, [count]);
  return count !== over;
}
