// What a page tries against a gateway: every way to send and to load that needs no consent. It runs in the page, by itself.

export interface Attack {
  readonly base: string;
  /** Routes that change something, and routes that tell something. */
  readonly posts: readonly string[];
  readonly gets: readonly string[];
  /** Frames of another site are processes of their own. */
  readonly framesMax: number;
}

/** The texts that the page could read. */
export async function attack({ base, posts, gets, framesMax }: Attack): Promise<readonly string[]> {
  const read: string[] = [];
  const tries: Promise<unknown>[] = [];
  const loaded = (element: HTMLElement): Promise<unknown> => {
    const done = new Promise((resolve) => ["load", "error"].forEach((name) => element.addEventListener(name, resolve)));
    document.body.append(element);
    return done;
  };
  const ask = async (path: string, init: RequestInit): Promise<void> => {
    const response = await fetch(base + path, init).catch(() => undefined);
    if (response !== undefined && response.type !== "opaque") read.push(await response.text());
  };
  const frame = async (path: string, name = ""): Promise<void> => {
    const element = Object.assign(document.createElement("iframe"), { name });
    if (path !== "") element.src = base + path;
    await loaded(element);
    try {
      read.push(element.contentDocument?.body.textContent ?? "");
    } catch {
      // Of another origin: it cannot be looked into.
    }
  };
  for (const [at, path] of posts.entries()) {
    const body = '{"body":"foreign"}';
    const text = { "content-type": "text/plain" };
    tries.push(ask(path, { method: "POST", body, headers: text, mode: "no-cors", credentials: "include" }));
    tries.push(ask(path, { method: "POST", body, headers: text, credentials: "include" }));
    tries.push(ask(path, { method: "POST", body, headers: { "content-type": "application/json" } }));
    tries.push(ask(path, { method: "POST", mode: "no-cors", keepalive: true }));
    navigator.sendBeacon(base + path, body);
    if (at >= framesMax) continue;
    const name = `frame-${at}`;
    const form = Object.assign(document.createElement("form"), { action: base + path, method: "post", target: name });
    form.append(Object.assign(document.createElement("input"), { name: "body", value: "foreign" }));
    document.body.append(form);
    tries.push(frame("", name).then(() => form.submit()));
  }
  for (const [at, path] of gets.entries()) {
    if (at < framesMax) tries.push(frame(path));
    tries.push(ask(path, { credentials: "include" }), ask(path, { mode: "no-cors" }));
    tries.push(ask(path, { headers: { authorization: "Bearer foreign" } }));
    tries.push(loaded(Object.assign(new Image(), { src: base + path })));
    tries.push(loaded(Object.assign(document.createElement("script"), { src: base + path })));
    tries.push(loaded(Object.assign(document.createElement("link"), { rel: "stylesheet", href: base + path })));
    const events = new EventSource(base + path, { withCredentials: true });
    const isOver = new Promise<Event>((resolve) =>
      ["overview", "error"].forEach((name) => events.addEventListener(name, resolve)),
    );
    tries.push(isOver.then((event) => (events.close(), event instanceof MessageEvent && read.push(event.data))));
  }
  const isLate = new Promise((resolve) => setTimeout(resolve, 15_000)); // what a gateway lets in may load for ever
  await Promise.race([Promise.all(tries), isLate]);
  return read;
}
