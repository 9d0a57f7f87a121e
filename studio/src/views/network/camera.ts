/** What part of a drawing is seen: moved, and made larger or smaller. */

import type { Box, Layout } from "../../worker/calls.ts";

export interface Camera {
  /** Of the drawing, at the left and upper border of what is seen. */
  readonly x: number;
  readonly y: number;
  /** Pixels for each unit of the drawing. */
  readonly scale: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

const [least, most] = [0.02, 3];
const clamp = (scale: number): number => Math.min(most, Math.max(least, scale));

/** All of a drawing, if it can be read so; else its beginning. */
export function fit(layout: Layout, { width, height }: Size): Camera {
  const whole = Math.min(width / Math.max(1, layout.width), height / Math.max(1, layout.height));
  const scale = Math.min(1.1, Math.max(whole, Math.min(0.55, width / Math.max(1, layout.width))));
  const isWhole = scale === whole || layout.height * scale <= height;
  return {
    scale,
    x: (layout.width - width / scale) / 2,
    y: isWhole ? (layout.height - height / scale) / 2 : 0,
  };
}

/** The point of the drawing that is seen at a place stays there. */
export function zoom(camera: Camera, factor: number, at: { readonly x: number; readonly y: number }): Camera {
  const scale = clamp(camera.scale * factor);
  return {
    scale,
    x: camera.x + at.x / camera.scale - at.x / scale,
    y: camera.y + at.y / camera.scale - at.y / scale,
  };
}

export const pan = (camera: Camera, dx: number, dy: number): Camera => ({
  ...camera,
  x: camera.x - dx / camera.scale,
  y: camera.y - dy / camera.scale,
});

/** A box in the middle, large enough to be read. */
export function centre(camera: Camera, box: Box, { width, height }: Size): Camera {
  const scale = Math.max(camera.scale, 0.6);
  return { scale, x: box.x + box.width / 2 - width / scale / 2, y: box.y + box.height / 2 - height / scale / 2 };
}

export const boxAt = (layout: Layout, camera: Camera, x: number, y: number): Box | undefined => {
  const [left, top] = [camera.x + x / camera.scale, camera.y + y / camera.scale];
  return layout.boxes.find(
    (box) => left >= box.x && left <= box.x + box.width && top >= box.y && top <= box.y + box.height,
  );
};
