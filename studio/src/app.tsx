/** The page: its head, its views, what goes on, and where files are dropped. */

import { effect, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { seconds } from "./parts/format.ts";
import { filesOf } from "./parts/files.ts";
import { openOther } from "./state/comparison.ts";
import { wakeMachine } from "./state/machine.ts";
import { network, openFiles } from "./state/network.ts";
import { openData } from "./state/pruning.ts";
import { areRuns, openRuns } from "./state/watch.ts";
import { theme, type Theme } from "./state/theme.ts";
import { failure, work } from "./state/work.ts";
import type { GivenFile } from "./worker/calls.ts";
import { ComparePage } from "./views/compare.tsx";
import { NetworkPage } from "./views/network/network.tsx";
import { PrunePage } from "./views/prune/prune.tsx";
import { WatchPage } from "./views/watch/watch.tsx";
import { Welcome } from "./views/welcome.tsx";

const views = { network: "Network", prune: "Prune", compare: "Compare", watch: "Watch" } as const;
type View = keyof typeof views;

const view = signal<View>("network");
const viewOfAddress = (): void => {
  const name = location.hash.slice(1);
  view.value = name in views ? (name as View) : "network";
};
addEventListener("hashchange", viewOfAddress);
viewOfAddress();

effect(() => {
  if (network.value) void wakeMachine();
});

const pages: Readonly<Record<View, () => ReturnType<typeof NetworkPage> | null>> = {
  network: NetworkPage,
  prune: PrunePage,
  compare: ComparePage,
  watch: WatchPage,
};

/** A model is opened, or under Compare set beside the other; runs are watched; all else is data. */
function take(files: readonly GivenFile[]): Promise<void> {
  if (files.length === 0) return Promise.resolve();
  if (areRuns(files)) {
    location.hash = "watch";
    return openRuns(files);
  }
  const hasModel = files.some(({ path }) => /\.onnx$/i.test(path));
  if (!hasModel && network.value) return openData(files);
  return view.value === "compare" && network.value ? openOther(files) : openFiles(files);
}

export function App() {
  useEffect(() => {
    const over = (event: DragEvent): void => event.preventDefault();
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      if (event.dataTransfer) void filesOf(event.dataTransfer).then(take);
    };
    addEventListener("dragover", over);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("drop", drop);
    };
  }, []);
  const Page = pages[view.value];
  return (
    <>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <header>
        <span class="brand">
          <img src="./icon.svg" alt="" width="24" height="24" /> Secateur <b>Studio</b>
        </span>
        <nav aria-label="Views">
          {Object.entries(views).map(([name, title]) => (
            <a key={name} href={`#${name}`} aria-current={view.value === name ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <ThemeChoice />
      </header>
      <main id="content" tabIndex={-1}>
        <Failure />
        {network.value || view.value === "watch" ? <Page /> : <Welcome />}
      </main>
      <WorkBar />
    </>
  );
}

const ThemeChoice = () => (
  <label class="theme">
    <span class="hidden">Colours</span>
    <select value={theme.value} onChange={(event) => (theme.value = event.currentTarget.value as Theme)}>
      <option value="auto">auto</option>
      <option value="light">light</option>
      <option value="dark">dark</option>
    </select>
  </label>
);

const Failure = () =>
  failure.value === undefined ? null : (
    <div class="failure" role="alert">
      <p>{failure.value}</p>
      <button type="button" aria-label="Close the message" onClick={() => (failure.value = undefined)}>
        ×
      </button>
    </div>
  );

function WorkBar() {
  const now = work.value;
  if (!now) return null;
  const { done, all, what } = now.progress;
  const spent = (Date.now() - now.started) / 1000;
  const left = all && done > 0 ? (spent * (all - done)) / done : undefined;
  return (
    <div class="work" role="status">
      <span>
        {now.what}
        {what && `: ${what}`}
        {all !== undefined && ` (${done} of ${all}${left === undefined ? "" : `, ${seconds(left)} left`})`}
      </span>
      <progress {...(all === undefined ? {} : { value: done, max: all })} aria-label={now.what} />
      <button type="button" onClick={now.stop}>
        Stop
      </button>
    </div>
  );
}
