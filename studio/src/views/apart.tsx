/** The samples on which two models differ most, and what both say of the one that is chosen. */

import { signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { percent } from "../parts/format.ts";
import { dataFiles } from "../state/pruning.ts";
import type { ClassApart, OutputApart, SampleApart } from "../worker/calls.ts";

/** So many samples are shown at first. */
const firstShown = 6;
/** The sample that is looked at, of the comparison that it is of. */
const looked = signal<{ readonly of: readonly SampleApart[]; readonly index: number } | undefined>(undefined);
/** The comparison of which all samples are shown. */
const opened = signal<readonly SampleApart[] | undefined>(undefined);

export function Apart({ apart }: { readonly apart: readonly SampleApart[] }) {
  const index = looked.value?.of === apart ? looked.value.index : apart[0]!.index;
  const sample = apart.find((one) => one.index === index)!;
  const shown = opened.value === apart ? apart : apart.slice(0, firstShown);
  return (
    <section class="card" aria-labelledby="apart">
      <h2 id="apart">Where they differ most</h2>
      <p class="quiet">
        The worst of {apart.length} samples first: by the largest difference, as a share of the first model's largest
        number. Choose one to see what both models say of it.
      </p>
      <ul class="samples">
        {shown.map((one) => (
          <li key={one.index}>
            <button
              type="button"
              aria-pressed={one.index === index}
              onClick={() => (looked.value = { of: apart, index: one.index })}
            >
              {one.path !== undefined && <Thumbnail path={one.path} />}
              <span>
                {nameOf(one)}: {percent(one.outputs[0]!.relative)} apart
                {one.classes && verdictOf(one.classes)}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {shown.length < apart.length && (
        <button type="button" onClick={() => (opened.value = apart)}>
          Show all {apart.length}
        </button>
      )}
      <div role="region" aria-labelledby="said">
        <h3 id="said">What both say of {nameOf(sample)}</h3>
        {sample.classes ? (
          <Classes classes={sample.classes} areShares={sample.areShares === true} />
        ) : (
          <Outputs outputs={sample.outputs} />
        )}
      </div>
    </section>
  );
}

const nameOf = ({ path, index }: SampleApart): string => path ?? `sample ${index + 1}`;

const topOf = (classes: readonly ClassApart[], which: 0 | 1): string =>
  classes.find(({ places }) => places[which] === 1)!.name;

function verdictOf(classes: readonly ClassApart[]): string {
  const [before, after] = [topOf(classes, 0), topOf(classes, 1)];
  return before === after ? `; both say ${before}` : `; ${before} became ${after}`;
}

interface ClassesProps {
  readonly classes: readonly ClassApart[];
  readonly areShares: boolean;
}

/** The classes that either model puts first, side by side. */
function Classes({ classes, areShares }: ClassesProps) {
  const shown = (value: number): string => (areShares ? percent(value) : value.toPrecision(3));
  const [before, after] = [topOf(classes, 0), topOf(classes, 1)];
  return (
    <>
      <p>
        {before === after
          ? `Both take it for ${before}.`
          : `The first takes it for ${before}, the second for ${after}.`}{" "}
        {areShares ? "The numbers are probabilities." : "The numbers are the outputs: the largest decides."}
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">class</th>
            <th scope="col">first</th>
            <th scope="col">second</th>
          </tr>
        </thead>
        <tbody>
          {classes.map(({ name, values, places }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {values.map((value, i) => (
                <td key={i}>
                  {shown(value)} ({places[i] === 1 ? "its answer" : `place ${places[i]}`})
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

/** Of each output how far it is apart, and where most. */
const Outputs = ({ outputs }: { readonly outputs: readonly OutputApart[] }) => (
  <ul>
    {outputs.map(({ name, relative, largest, mean, at, values, shape }) => (
      <li key={name}>
        <b>{name}</b>{" "}
        {largest === 0
          ? "is the same."
          : `differs by ${largest.toPrecision(3)} at most (${percent(relative)} of its largest value) and by ` +
            `${mean.toPrecision(3)} on average. Most at [${at.join(", ")}] of [${shape.join(", ")}]: ` +
            `${values[0].toPrecision(3)} became ${values[1].toPrecision(3)}.`}
      </li>
    ))}
  </ul>
);

function Thumbnail({ path }: { readonly path: string }) {
  const file = dataFiles.value.find((one) => one.path === path);
  const url = useMemo(() => (file ? URL.createObjectURL(file.blob) : undefined), [file]);
  useEffect(() => () => (url === undefined ? undefined : URL.revokeObjectURL(url)), [url]);
  return url === undefined ? null : <img src={url} alt="" width="56" height="56" />;
}
