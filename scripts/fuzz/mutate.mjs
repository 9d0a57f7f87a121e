/** A mutant: a model of baseModels with something wrong. */

import { createDraw } from "./draw.mjs";
import { mutateStructure } from "./structure.mjs";

const join = (...parts) => new Uint8Array(Buffer.concat(parts));

/** Each changes bytes without knowing what they mean. */
const changes = [
  function flip(bytes, draw) {
    const changed = bytes.slice();
    for (let times = 1 + draw.below(8); times > 0; times--) changed[draw.below(bytes.length)] ^= 1 << draw.below(8);
    return changed;
  },
  (bytes, draw) => bytes.slice(0, draw.below(bytes.length)),
  function overwrite(bytes, draw) {
    const changed = bytes.slice();
    const at = draw.below(bytes.length);
    changed.fill(draw.one([0, 0x7f, 0x80, 0xff]), at, at + 1 + draw.below(12));
    return changed;
  },
  function insert(bytes, draw) {
    const at = draw.below(bytes.length);
    return join(bytes.subarray(0, at), draw.bytes(1 + draw.below(16)), bytes.subarray(at));
  },
  function remove(bytes, draw) {
    const at = draw.below(bytes.length);
    return join(bytes.subarray(0, at), bytes.subarray(at + 1 + draw.below(32)));
  },
  function repeat(bytes, draw) {
    const at = draw.below(bytes.length);
    const chunk = bytes.subarray(at, at + 1 + draw.below(200));
    return join(bytes.subarray(0, at), ...Array.from({ length: 1 + draw.below(50) }, () => chunk), bytes.subarray(at));
  },
  function splice(bytes, draw, other) {
    return join(bytes.subarray(0, draw.below(bytes.length)), other.subarray(draw.below(other.length)));
  },
];

// Bytes of weights are most of a file: what is changed near its ends, where graphs begin and nodes lie, says more.
function mutateBytes(bytes, draw, other) {
  let changed = bytes;
  for (let times = 1 + draw.below(2); times > 0 && changed.length > 0; times--)
    changed = draw.one(changes)(changed, draw, other);
  return changed;
}

/**
 * The mutant of a number under a seed, always the same.
 *
 * @param bases what baseModels gives
 * @returns its bytes and how it came about
 */
export function mutantOf(bases, seed, number) {
  const draw = createDraw(seed, number);
  const kin = draw.chance(0.5) ? bases.networks : bases.operators;
  const base = draw.one(kin);
  if (draw.chance(0.2)) {
    const bytes = mutateBytes(base.bytes, draw, draw.one(kin).bytes);
    return { base: base.name, kind: "bytes", bytes };
  }
  const bytes = mutateStructure(base.bytes, draw);
  if (draw.chance(0.05)) return { base: base.name, kind: "both", bytes: mutateBytes(bytes, draw, base.bytes) };
  return { base: base.name, kind: "structure", bytes };
}
