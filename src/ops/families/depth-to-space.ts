/** Operators that move blocks of space into channels and back. */

import { fail } from "../../graph/error.ts";
import { defineOp, int, string } from "../core/define.ts";

/**
 * https://onnx.ai/onnx/operators/onnx__DepthToSpace.html — a channel of Y takes b · b channels of X. With mode CRD they
 * are neighbours, with DCR as far apart as Y has channels.
 */
export const DepthToSpace = defineOp({
  name: "DepthToSpace",
  since: 13,
  carries: true,
  inputs: ["input"],
  outputs: ["output"],
  attributes: { blocksize: int(1), mode: string("DCR") },
  shape({ input }, { blocksize: b, mode }) {
    if (mode !== "DCR" && mode !== "CRD") fail("bad-model", `its mode "${mode}" is neither DCR nor CRD`);
    if (b < 1 || input.shape.length !== 4 || input.shape[1]! % (b * b) !== 0)
      fail("bad-model", `an input [${input.shape.join(", ")}] has no blocks of ${b} x ${b} in its channels`);
    const [n, c, h, w] = input.shape as [number, number, number, number];
    return [n, c / (b * b), h * b, w * b];
  },
  gradient: (g, dy, { input }, { blocksize: b, mode }) => ({
    input: () => {
      if (mode === "DCR") return g.SpaceToDepth(dy, { blocksize: b });
      const [n, c, h, w] = input.shape as [number, number, number, number];
      const split = g.reshaped(dy, [n, c / (b * b), h, b, w, b]);
      return g.reshaped(g.transposed(split, [0, 1, 3, 5, 2, 4]), input.shape);
    },
  }),
  channels(c, { input }, [output], { mode }) {
    const [from, to] = [c.axis(input, 1), c.axis(output!, 1)];
    c.same(mode === "CRD" ? from.blocks(from.length / to.length) : from.digit(to.length, 1), to);
    c.same(c.axis(input, 0), c.axis(output!, 0));
  },
  zero: "any",
  samples: [
    { inputs: [[2, 12, 2, 3]], attributes: { blocksize: 2 } },
    { inputs: [[2, 12, 2, 3]], attributes: { blocksize: 2, mode: "CRD" } },
    { inputs: [[1, 18, 2, 1]], attributes: { blocksize: 3, mode: "DCR" } },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html — the inverse of DepthToSpace with mode DCR */
export const SpaceToDepth = defineOp({
  name: "SpaceToDepth",
  since: 13,
  carries: true,
  inputs: ["input"],
  outputs: ["output"],
  attributes: { blocksize: int(1) },
  shape({ input }, { blocksize: b }) {
    const [n, c, h, w] = input.shape as [number, number, number, number];
    if (b < 1 || input.shape.length !== 4 || h % b !== 0 || w % b !== 0)
      fail("bad-model", `an input [${input.shape.join(", ")}] does not divide into blocks of ${b} x ${b}`);
    return [n, c * b * b, h / b, w / b];
  },
  gradient: (g, dy, _inputs, { blocksize }) => ({ input: () => g.DepthToSpace(dy, { blocksize, mode: "DCR" }) }),
  channels(c, { input }, [output]) {
    const from = c.axis(input, 1);
    c.same(c.axis(output!, 1).digit(from.length, 1), from);
    c.same(c.axis(input, 0), c.axis(output!, 0));
  },
  zero: "any",
  samples: [
    { inputs: [[2, 3, 4, 6]], attributes: { blocksize: 2 } },
    { inputs: [[1, 2, 3, 6]], attributes: { blocksize: 3 } },
  ],
});
