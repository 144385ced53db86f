// Where the objects of an image are, on the grid of a feature map: boxes to masks.
import { RetortError } from '../../../errors.ts';
import type { Targets } from '../../../nn/index.ts';
import { Tensor, tensor } from '../../../torch/index.ts';
import { versionOf } from '../../held.ts';

/** `[x1, y1, x2, y2]`, in pixels of the image. */
export type Box = readonly [x1: number, y1: number, x2: number, y2: number];

export interface Grid {
  /** Of the images, in pixels. */
  image: readonly [height: number, width: number];
  /** Of the feature map. */
  map: readonly [height: number, width: number];
}

/** Where the boxes of images come from. */
export interface BoxSource {
  /** The true boxes of each image, `(n, 4)` or a list: none for an image without objects. Map it to `{ field: 'boxes' }`. */
  boxes?: readonly (Tensor | readonly Box[])[];
  /** In their place: targets that have `boxes`, or samples that carry them as `gtBoxes`; map it to `{ field: 'dataSamples' }`. */
  dataSamples?: Targets | readonly { readonly gtBoxes?: readonly Box[] }[];
}

/** The boxes of each of `n` images. @throws {RetortError} when there are none to be found, or not as many lists. */
export function boxesOf(loss: string, { boxes, dataSamples }: BoxSource, n: number): readonly (readonly Box[])[] {
  const samples = Array.isArray(dataSamples) ? (dataSamples as readonly { gtBoxes?: readonly Box[] }[]) : undefined;
  const found = boxes ?? samples?.map(({ gtBoxes }) => gtBoxes ?? []) ?? (dataSamples as Targets | undefined)?.boxes;
  if (Array.isArray(found) && found.length === n) {
    return (found as readonly (Tensor | readonly Box[])[]).map((one) => (one instanceof Tensor ? boxesIn(one) : one));
  }
  const given = found === undefined ? 'neither boxes nor dataSamples' : `${(found as readonly unknown[]).length} lists`;
  throw new RetortError(`${loss}: boxes: expected a list of boxes for each of ${n} images, got ${given}`, {
    help: "map boxes to a list of [x1, y1, x2, y2] for each image, or dataSamples to { field: 'dataSamples' }",
  });
}

/** The boxes that were read from tensors, and the version of those: one batch goes through a loss for each level of a pyramid. */
const read = new WeakMap<Tensor, { version: unknown; boxes: readonly Box[] }>();

function boxesIn(tensor: Tensor): readonly Box[] {
  const version = versionOf(tensor);
  const before = read.get(tensor);
  if (before !== undefined && version !== undefined && before.version === version) return before.boxes;
  const boxes = tensor.toArray() as unknown as Box[];
  read.set(tensor, { version, boxes });
  return boxes;
}

/**
 * Foreground and background masks `(N, 1, H, W)`. A position within boxes counts as one over the number of positions of the smallest
 * of them, so that small objects weigh as much as large ones; a position in none counts in the background, as one over their
 * number. The cells that a box touches belong to it.
 */
export function focalMasks(boxes: readonly (readonly Box[])[], grid: Grid): { foreground: Tensor; background: Tensor } {
  const [height, width] = grid.map;
  const size = height * width;
  const foreground = new Float64Array(boxes.length * size);
  const background = new Float64Array(boxes.length * size);
  for (const [n, image] of boxes.entries()) {
    const front = foreground.subarray(n * size, (n + 1) * size);
    for (const box of image) addBox(front, box, grid);
    const free = front.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);
    front.forEach((value, i) => (background[n * size + i] = value === 0 ? 1 / free : 0));
  }
  const shape = [boxes.length, 1, height, width];
  return { foreground: tensor(foreground, { shape }), background: tensor(background, { shape }) };
}

function addBox(mask: Float64Array, [x1, y1, x2, y2]: Box, { image, map }: Grid): void {
  const [height, width] = map;
  const [left, right] = [Math.floor((x1 / image[1]) * width), Math.ceil((x2 / image[1]) * width)];
  const [top, bottom] = [Math.floor((y1 / image[0]) * height), Math.ceil((y2 / image[0]) * height)];
  const share = 1 / ((bottom + 1 - top) * (right + 1 - left));
  for (let y = Math.max(0, top); y <= Math.min(bottom, height - 1); y++) {
    for (let x = Math.max(0, left); x <= Math.min(right, width - 1); x++) {
      mask[y * width + x] = Math.max(mask[y * width + x]!, share);
    }
  }
}
