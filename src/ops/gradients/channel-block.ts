/**
 * Convolution by onnxruntime's kernels for channels in blocks (NCHWc), which it takes by itself where kernels are
 * constants. Where they are computed, as in training, a graph has to say so: the operators of its domain, with the
 * kernel brought into their layout first.
 */

import type { Value } from "../core/define.ts";
import type { Emit } from "../core/emit.ts";
import { slide, type Window } from "./geometry.ts";

export const blockedDomain = "com.microsoft.nchwc";

/** Blocks are filled with zeros; above this multiple of the work they do not pay. */
const mostWaste = 2.5;

/**
 * Y = Conv(X, W) + B for X [N, C, h, w] in float32.
 *
 * @param block channels in a block
 * @returns `undefined` where there is no such kernel, or a plain one is as fast: constants, which the runtime treats
 * itself; kernels of 1x1, which are matrix products; groups other than depthwise
 */
export function blockedConv(
  g: Emit,
  X: Value,
  W: Value,
  B: Value | undefined,
  window: Window,
  groups: number,
  block: number,
): Value | undefined {
  const { kernel, strides, dilations, before, after } = window;
  if (X.shape.length !== 4 || X.dtype !== "float32" || W.constant || kernel.every((k) => k === 1)) return undefined;
  const [n, c, ...spatial] = X.shape as [number, number, number, number];
  const [m, inner] = W.shape as [number, number, number, number];
  const depthwise = groups > 1 && inner === 1 && m === groups;
  if (groups > 1 && !depthwise) return undefined;
  const filled = (channels: number): number => Math.ceil(channels / block) * block;
  // Fewer channels than a block are read as they are.
  const plain = !depthwise && c < block;
  const [ins, outs] = [plain ? c : filled(c), filled(m)];
  if ((depthwise ? outs : ins * outs) > mostWaste * (depthwise ? m : c * m)) return undefined;
  const x = plain
    ? X
    : g.foreign(blockedDomain, "ReorderInput", [g.padded(X, [0, 0, 0, 0], [0, ins - c, 0, 0])], {}, [
        n,
        ins,
        ...spatial,
      ]);
  const rows = depthwise ? 1 : ins;
  const filter = g.padded(W, [0, 0, 0, 0], [outs - m, rows - inner, 0, 0]);
  // Axis by axis: moving one is fast, a general permutation is not.
  const [outBlocks, taps] = [outs / block, kernel[0]! * kernel[1]!];
  const outLast = g.transposed(g.reshaped(filter, [outBlocks, block, rows * taps]), [0, 2, 1]);
  const inBlocks =
    plain || depthwise
      ? outLast
      : g.transposed(g.reshaped(outLast, [outBlocks * (rows / block), block, taps, block]), [0, 2, 1, 3]);
  const inputs = [x, g.reshaped(inBlocks, [outs, rows, ...kernel]), ...(B ? [g.padded(B, [0], [outs - m])] : [])];
  const out = slide(spatial, window);
  const attributes = { kernel_shape: kernel, strides, dilations, pads: [...before, ...after] };
  const y = g.foreign(blockedDomain, "Conv", inputs, { ...attributes, group: depthwise ? outs : 1 }, [n, outs, ...out]);
  return g.foreign(blockedDomain, "ReorderOutput", [y], { channels: m }, [n, m, ...out]);
}
