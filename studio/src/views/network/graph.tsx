/** The network as a drawing that can be moved, enlarged and searched, by mouse, touch and keyboard. */

import { effect, useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { percent, short } from "../../parts/format.ts";
import { inside, layout, lookInside, network, node, query, select, selected } from "../../state/network.ts";
import { preview } from "../../state/pruning.ts";
import { painted } from "../../state/theme.ts";
import type { Box, Layout, NetworkView } from "../../worker/calls.ts";
import { boxAt, centre, fit, pan, zoom, type Camera, type Size } from "./camera.ts";
import { coloursOf, paint, type Face } from "./paint.ts";

/** A press that moves by fewer pixels is a click. */
const steady = 4;

export function Graph() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const camera = useSignal<Camera>({ x: 0, y: 0, scale: 1 });
  const size = useSignal<Size>({ width: 0, height: 0 });
  const drawn = useComputed(() => inside.value?.layout ?? layout.value);

  useEffect(() => {
    const element = canvas.current!;
    const context = element.getContext("2d")!;
    let frame = 0;
    let shown: Layout | undefined;
    const stopWatching = watchSize(element, (now) => (size.value = now));
    const stopPainting = effect(() => {
      const [scene, place, now] = [drawn.value, size.value, network.value];
      void [painted.value, preview.value, query.value, selected.value, node.value, inside.value];
      if (!scene || !now || place.width === 0) return;
      if (shown !== scene) {
        shown = scene;
        camera.value = fit(scene, place);
      }
      const seen = camera.value;
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() =>
        paint(context, {
          layout: scene,
          camera: seen,
          size: place,
          colours: coloursOf(element),
          selected: inside.peek() ? node.peek() : selected.peek(),
          face: (box) => (inside.peek() ? faceOfNode(now, box) : faceOfVertex(now, box)),
        }),
      );
    });
    const stopMoving = movable(element, camera, (x, y) => {
      const box = drawn.peek() && boxAt(drawn.peek()!, camera.peek(), x, y);
      if (inside.peek()) node.value = box?.id;
      else select(box?.id);
    });
    return () => {
      stopWatching();
      stopPainting();
      stopMoving();
      cancelAnimationFrame(frame);
    };
  }, []);

  /** What is selected otherwise than by a click comes into sight. */
  useEffect(
    () =>
      effect(() => {
        const id = inside.value ? node.value : selected.value;
        const box = drawn.value?.boxes.find((one) => one.id === id);
        if (box && size.value.width > 0 && !isSeen(box, camera.peek(), size.peek()))
          camera.value = centre(camera.peek(), box, size.peek());
      }),
    [],
  );

  const step = (by: number): void => {
    const boxes = drawn.value?.boxes ?? [];
    if (boxes.length === 0) return;
    const now = boxes.findIndex(({ id }) => id === (inside.value ? node.value : selected.value));
    const next = boxes[Math.min(boxes.length - 1, Math.max(0, now + by))]!.id;
    if (inside.value) node.value = next;
    else select(next);
  };
  const middle = () => ({ x: size.value.width / 2, y: size.value.height / 2 });
  const scaled = (factor: number): void => void (camera.value = zoom(camera.value, factor, middle()));
  const whole = (): void => void (drawn.value && (camera.value = fit(drawn.value, size.value)));
  const keys: Readonly<Record<string, () => void>> = {
    ArrowDown: () => step(1),
    ArrowRight: () => step(1),
    ArrowUp: () => step(-1),
    ArrowLeft: () => step(-1),
    Enter: () => void (selected.value !== undefined && !inside.value && lookInside(selected.value)),
    Escape: () => void (inside.value ? lookInside(undefined) : select(undefined)),
    "+": () => scaled(1.25),
    "=": () => scaled(1.25),
    "-": () => scaled(0.8),
    "0": whole,
  };
  const what = useComputed(() => describeDrawing(network.value, drawn.value, inside.value !== undefined));
  return (
    <div class="graph">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={what}
        aria-roledescription="network graph"
        onKeyDown={(event) => {
          const act = keys[event.key];
          if (!act || event.ctrlKey || event.metaKey) return;
          event.preventDefault();
          act();
        }}
      />
      <div class="tools" role="toolbar" aria-label="View">
        {inside.value && (
          <button type="button" onClick={() => void lookInside(undefined)}>
            ← All groups
          </button>
        )}
        <button type="button" aria-label="Larger" onClick={() => scaled(1.25)}>
          +
        </button>
        <button type="button" aria-label="Smaller" onClick={() => scaled(0.8)}>
          −
        </button>
        <button type="button" onClick={whole}>
          Fit
        </button>
      </div>
    </div>
  );
}

function describeDrawing(now: NetworkView | undefined, drawn: Layout | undefined, isInside: boolean): string {
  if (!now || !drawn) return "no network is open";
  const what = isInside ? "nodes" : "groups, inputs and outputs";
  return `${now.name}: ${drawn.boxes.length} ${what}. Arrow keys go from one to the next, Enter shows its nodes, plus and minus scale.`;
}

const matches = (text: string): boolean =>
  query.peek().length > 0 && text.toLowerCase().includes(query.peek().toLowerCase());

function faceOfVertex(now: NetworkView, { id }: Box): Face {
  const { kind, name, units, macs, shape, nodes } = now.vertices[id]!;
  if (kind === "input" || kind === "output")
    return { title: name, note: `${kind} ${shape ?? ""}`, colour: "port", isFound: matches(name) };
  const left = kind === "group" ? preview.peek()?.widths[name] : undefined;
  const work = `${short(macs)} MACs`;
  const isRefused = nodes.some((one) => now.nodes[one]!.refused !== undefined);
  return {
    title: name,
    note:
      kind === "rest"
        ? `${nodes.length} nodes`
        : left === undefined || left === units
          ? `${units} ${kind === "frozen" ? "fixed" : "units"} · ${work}`
          : `${units} → ${left} · ${work}`,
    colour: isRefused ? "refused" : kind === "group" ? "group" : kind === "frozen" ? "frozen" : "plain",
    ...(kind === "group" && { left: (left ?? units) / units }),
    weight: now.costs.macs > 0 ? macs / now.costs.macs : 0,
    isFound: matches(name) || (query.peek().length > 1 && nodes.some((one) => matches(now.nodes[one]!.name))),
  };
}

function faceOfNode(now: NetworkView, { id }: Box): Face {
  const { op, name, macs, refused } = now.nodes[id]!;
  return {
    title: op,
    note: macs > 0 ? `${name} · ${percent(macs / now.costs.macs)}` : name,
    colour: refused === undefined ? "plain" : "refused",
    weight: now.costs.macs > 0 ? macs / now.costs.macs : 0,
    isFound: matches(name) || matches(op),
  };
}

const isSeen = (box: Box, camera: Camera, { width, height }: Size): boolean =>
  box.x >= camera.x &&
  box.y >= camera.y &&
  box.x + box.width <= camera.x + width / camera.scale &&
  box.y + box.height <= camera.y + height / camera.scale;

/** Keeps as many pixels as the screen has. */
function watchSize(element: HTMLCanvasElement, change: (size: Size) => void): () => void {
  const observer = new ResizeObserver(() => {
    const { width, height } = element.getBoundingClientRect();
    element.width = Math.round(width * devicePixelRatio);
    element.height = Math.round(height * devicePixelRatio);
    change({ width, height });
  });
  observer.observe(element);
  return () => observer.disconnect();
}

/** Moves by dragging, scales by the wheel and by two fingers; a press that does not move is a click. */
function movable(
  element: HTMLCanvasElement,
  camera: { value: Camera },
  click: (x: number, y: number) => void,
): () => void {
  const pointers = new Map<number, { x: number; y: number }>();
  let moved = 0;
  const placeOf = ({ clientX, clientY }: MouseEvent) => {
    const { left, top } = element.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  };
  const down = (event: PointerEvent): void => {
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, placeOf(event));
    if (pointers.size === 1) moved = 0;
  };
  const move = (event: PointerEvent): void => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) return;
    const now = placeOf(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    moved += Math.hypot(now.x - before.x, now.y - before.y);
    if (other) {
      const apart = Math.hypot(before.x - other.x, before.y - other.y);
      if (apart > 0) camera.value = zoom(camera.value, Math.hypot(now.x - other.x, now.y - other.y) / apart, other);
    } else camera.value = pan(camera.value, now.x - before.x, now.y - before.y);
    pointers.set(event.pointerId, now);
  };
  const up = (event: PointerEvent): void => {
    const at = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (at && moved < steady && event.type === "pointerup") click(at.x, at.y);
  };
  const wheel = (event: WheelEvent): void => {
    event.preventDefault();
    camera.value =
      event.ctrlKey || event.metaKey || event.deltaMode === 1 || !event.shiftKey
        ? zoom(camera.value, Math.exp(-event.deltaY / 400), placeOf(event))
        : pan(camera.value, -event.deltaY, 0);
  };
  const listeners = { pointerdown: down, pointermove: move, pointerup: up, pointercancel: up, wheel } as const;
  for (const [name, act] of Object.entries(listeners))
    element.addEventListener(name, act as EventListener, { passive: false });
  return () => {
    for (const [name, act] of Object.entries(listeners)) element.removeEventListener(name, act as EventListener);
  };
}
