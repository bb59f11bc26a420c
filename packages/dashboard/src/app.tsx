// The frame of the page: what is live, where to go, and the view that the address names.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Connection } from "./connection.ts";
import { KeyForm } from "./key-form.tsx";
import { LinkNotice, LinkState } from "./link-state.tsx";
import type { Live } from "./live.ts";
import { Overview } from "./overview.tsx";
import { QueuePage } from "./queue-page.tsx";
import { RequestPage } from "./request-page.tsx";
import { RequestTable } from "./request-table.tsx";
import { hashOf, parseRoute, type Route } from "./route.ts";
import { Search } from "./search.tsx";

export function App({ connection }: { readonly connection: Connection }) {
  const live = useLive(connection);
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    document.title = titleOf(route);
  }, [route]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={hashOf({ kind: "overview" })}>
          Sluice
        </a>
        <Search />
        <LinkState live={live} />
      </header>
      <LinkNotice live={live} onRetry={() => connection.retry()} />
      <main id="main" ref={main} tabIndex={-1} class={live.link.kind === "gone" ? "is-stale" : ""}>
        {live.link.kind === "locked" ? (
          <KeyForm why={live.link.why} onKey={() => connection.retry()} />
        ) : (
          <View live={live} route={route} />
        )}
      </main>
    </>
  );
}

function View({ live, route }: { readonly live: Live; readonly route: Route }) {
  switch (route.kind) {
    case "overview":
      return <Overview live={live} />;
    case "queue":
      return <QueuePage key={route.queue} live={live} name={route.queue} state={route.state} />;
    case "request":
      return <RequestPage key={route.id} live={live} id={route.id} />;
    case "key":
      return (
        <>
          <h1>
            Requests with the key <code>{route.key}</code>
          </h1>
          <RequestTable key={route.key} live={live} filter={{ key: route.key }} empty="No request has this key." />
        </>
      );
    default:
      return route satisfies never;
  }
}

function titleOf(route: Route): string {
  switch (route.kind) {
    case "overview":
      return "Sluice";
    case "queue":
      return `${route.queue} · Sluice`;
    case "request":
      return `Request ${route.id} · Sluice`;
    case "key":
      return `Key ${route.key} · Sluice`;
    default:
      return route satisfies never;
  }
}

function useLive(connection: Connection): Live {
  const [live, setLive] = useState(connection.live);
  useEffect(() => {
    setLive(connection.live);
    return connection.subscribe(() => setLive(connection.live));
  }, [connection]);
  return live;
}

function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    setHash(location.hash); // it may have changed since it was read
    const onChange = (): void => {
      setHash(location.hash);
      window.scrollTo(0, 0);
    };
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  return parseRoute(hash);
}
