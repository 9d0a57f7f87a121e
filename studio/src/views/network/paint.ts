/** Paints boxes and what joins them on a canvas. Only what is seen is painted, so that any number of boxes will do. */

import type { Box, Layout } from "../../worker/calls.ts";
import type { Camera, Size } from "./camera.ts";

export interface Face {
  readonly title: string;
  readonly note: string;
  readonly colour: "group" | "frozen" | "port" | "refused" | "plain";
  /** The share that is left, as a bar at the bottom. */
  readonly left?: number;
  /** The share of all work that is done here, as a bar at the side. */
  readonly weight?: number;
  readonly isFound?: boolean;
}

export interface Colours {
  readonly ground: string;
  readonly ink: string;
  readonly quiet: string;
  readonly rule: string;
  readonly panel: string;
  readonly first: string;
  readonly second: string;
  readonly faint: string;
}

/** The colours of the page, by the names of its style sheet. */
export function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element);
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const names = ["ground", "ink", "quiet", "rule", "panel", "first", "second", "faint"] as const;
  return Object.fromEntries(names.map((name) => [name, of(name)])) as Record<(typeof names)[number], string>;
}

export interface Scene {
  readonly layout: Layout;
  readonly camera: Camera;
  readonly size: Size;
  readonly colours: Colours;
  readonly selected: number | undefined;
  face(box: Box): Face;
}

/** Text is not painted where it would be smaller than this share of its size. */
const readable = 0.35;

export function paint(context: CanvasRenderingContext2D, scene: Scene): void {
  const { camera, size, colours, layout } = scene;
  const ratio = devicePixelRatio;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = colours.ground;
  context.fillRect(0, 0, size.width, size.height);
  context.setTransform(
    ratio * camera.scale,
    0,
    0,
    ratio * camera.scale,
    -camera.x * camera.scale * ratio,
    -camera.y * camera.scale * ratio,
  );
  const seen = {
    left: camera.x,
    top: camera.y,
    right: camera.x + size.width / camera.scale,
    bottom: camera.y + size.height / camera.scale,
  };
  paintEdges(context, scene, seen);
  for (const box of layout.boxes)
    if (box.x < seen.right && box.x + box.width > seen.left && box.y < seen.bottom && box.y + box.height > seen.top)
      paintBox(context, box, scene);
}

interface Seen {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

function paintEdges(context: CanvasRenderingContext2D, { layout, camera, colours, selected }: Scene, seen: Seen): void {
  context.lineWidth = 1.3 / Math.max(camera.scale, 0.3);
  for (const { from, to, points } of layout.edges) {
    if (points.length === 0) continue;
    const [ys, xs] = [points.map(([, y]) => y), points.map(([x]) => x)];
    if (Math.max(...ys) < seen.top || Math.min(...ys) > seen.bottom) continue;
    if (Math.max(...xs) < seen.left || Math.min(...xs) > seen.right) continue;
    const isOwn = from === selected || to === selected;
    context.strokeStyle = isOwn ? colours.first : colours.faint;
    context.beginPath();
    points.forEach(([x, y], i) => (i === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
    context.stroke();
    const [[x0, y0], [x1, y1]] = [points.at(-2) ?? points[0]!, points.at(-1)!];
    const angle = Math.atan2(y1 - y0, x1 - x0);
    context.fillStyle = context.strokeStyle;
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x1 - 7 * Math.cos(angle - 0.4), y1 - 7 * Math.sin(angle - 0.4));
    context.lineTo(x1 - 7 * Math.cos(angle + 0.4), y1 - 7 * Math.sin(angle + 0.4));
    context.fill();
  }
}

function paintBox(context: CanvasRenderingContext2D, box: Box, scene: Scene): void {
  const { colours, camera, selected } = scene;
  const face = scene.face(box);
  const border = { group: "first", frozen: "faint", port: "quiet", refused: "second", plain: "faint" } as const;
  context.beginPath();
  context.roundRect(box.x, box.y, box.width, box.height, face.colour === "port" ? box.height / 2 : 7);
  context.fillStyle = face.colour === "group" || face.colour === "port" ? colours.panel : colours.ground;
  context.fill();
  context.lineWidth = box.id === selected ? 3 : face.isFound ? 2.5 : 1.2;
  context.strokeStyle =
    box.id === selected ? colours.ink : face.isFound ? colours.second : colours[border[face.colour]];
  context.stroke();
  context.save();
  context.clip();
  if (face.weight !== undefined) {
    context.fillStyle = colours.first;
    context.globalAlpha = 0.85;
    context.fillRect(box.x, box.y + box.height * (1 - face.weight), 5, box.height * face.weight);
    context.globalAlpha = 1;
  }
  if (face.left !== undefined) {
    context.fillStyle = colours.rule;
    context.fillRect(box.x + 12, box.y + box.height - 9, box.width - 24, 4);
    context.fillStyle = colours.first;
    context.fillRect(box.x + 12, box.y + box.height - 9, (box.width - 24) * face.left, 4);
  }
  if (camera.scale > readable) paintText(context, box, face, colours);
  context.restore();
}

function paintText(context: CanvasRenderingContext2D, box: Box, face: Face, colours: Colours): void {
  const middle = box.y + box.height / 2 - (face.left === undefined ? 0 : 4);
  context.textBaseline = "middle";
  context.fillStyle = colours.ink;
  context.font = "600 13px system-ui, sans-serif";
  context.fillText(shortened(context, face.title, box.width - 24), box.x + 12, middle - (face.note === "" ? 0 : 9));
  if (face.note === "") return;
  context.fillStyle = colours.quiet;
  context.font = "12px system-ui, sans-serif";
  context.fillText(shortened(context, face.note, box.width - 24), box.x + 12, middle + 8);
}

/** The end of a name says more than its beginning. */
function shortened(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (context.measureText(`…${text.slice(middle)}`).width <= width) high = middle;
    else low = middle + 1;
  }
  return `…${text.slice(low)}`;
}
