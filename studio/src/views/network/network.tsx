/** The network: its drawing, and what there is to know of each part. */

import { Details } from "./details.tsx";
import { Graph } from "./graph.tsx";
import { Search } from "./search.tsx";

export const NetworkPage = () => (
  <div class="split">
    <Graph />
    <aside class="side">
      <Search />
      <Details />
    </aside>
  </div>
);
