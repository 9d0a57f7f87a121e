/** Where the page begins. */

import { render } from "preact";
import { App } from "./app.tsx";
import { greet } from "./state/served.ts";
import "./style.css";

render(<App />, document.getElementById("app")!);
void greet();
