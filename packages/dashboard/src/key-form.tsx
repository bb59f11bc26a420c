import { useState } from "preact/hooks";
import { keepKey } from "./api.ts";

/** Shown when the gateway asks for an API key. */
export function KeyForm({ why, onKey }: { readonly why: string | undefined; readonly onKey: () => void }) {
  const [key, setKey] = useState("");
  const submit = (event: Event): void => {
    event.preventDefault();
    if (key.trim() === "") return;
    keepKey(key.trim());
    setKey("");
    onKey();
  };
  return (
    <form class="panel key-form" onSubmit={submit}>
      <h1>This gateway asks for an API key</h1>
      <p>
        One with the scope <code>read</code> shows everything; <code>admin</code> also replays, cancels and pauses. It
        is kept for this tab, and forgotten when the tab is closed.
      </p>
      {why !== undefined && (
        <p class="problem" role="alert">
          The last key was not taken. {why}
        </p>
      )}
      <label>
        API key
        <input
          type="password"
          name="key"
          autocomplete="off"
          required
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="primary">
        Go on
      </button>
    </form>
  );
}
