/** How pixels become the input of a model, as it is told and written down. */

import type { Normalise } from "./normalise.ts";

/** Channels before rows and columns, as PyTorch has them, or after, as TensorFlow does. */
export const layouts = ["nchw", "nhwc"] as const;
export type Layout = (typeof layouts)[number];

export const channelOrders = ["rgb", "bgr", "gray"] as const;
export type Channels = (typeof channelOrders)[number];

/** How pixels become the input of a model. */
export interface PixelForm extends Normalise {
  /** nchw unless given. */
  readonly layout?: Layout;
  /** As stored unless given; encoded images as rgb. */
  readonly channels?: Channels;
}

/** Height and width. */
export type ImageSize = readonly [number, number];

/** How encoded images become the input of a model. */
export interface ImageForm extends PixelForm {
  /** The size of the model's input; that of the images unless given. */
  readonly size?: ImageSize;
  /** What the shorter side is resized to before the middle is cut out; unless given, as little as covers `size`. */
  readonly resize?: number;
}
