import { useState } from "preact/hooks";
import { hashOf, routeOfSearch } from "./route.ts";

/** Finds a request by its id, or those of a key. */
export function Search() {
  const [text, setText] = useState("");
  const go = (event: Event): void => {
    event.preventDefault();
    const route = routeOfSearch(text);
    if (route === undefined) return;
    location.hash = hashOf(route);
    setText("");
  };
  return (
    <form class="search" role="search" onSubmit={go}>
      <input
        type="search"
        name="search"
        aria-label="Find a request by its id or key"
        placeholder="Request id or key"
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit">Find</button>
    </form>
  );
}
