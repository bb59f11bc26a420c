import { render } from "preact";
import { App } from "./app.tsx";
import { Connection } from "./connection.ts";

const connection = new Connection();
void connection.run(); // ends with the page
const root = document.querySelector("#app");
if (root !== null) render(<App connection={connection} />, root);
