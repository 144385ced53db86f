/** A class, and how likely it is, 0 to 1. */
export interface Prediction {
  label: string;
  score: number;
  index: number;
}
/** What a classifier says of a picture, the likeliest class first. */
export interface Answer {
  predictions: Prediction[];
  milliseconds: number;
}
/** Bytes row by row. */
export interface Pixels {
  data: Uint8ClampedArray | Uint8Array;
  height: number;
  width: number;
  channels: number;
}
/** What is done to an image: see `classifier.json`. */
export type Step =
  | { type: 'Resize'; size: [number, number]; interpolation?: Filter }
  | { type: 'ResizeEdge'; size: number; edge?: 'short' | 'long' | 'width' | 'height'; interpolation?: Filter }
  | { type: 'CenterCrop'; size: [number, number] };
export type Filter = 'bilinear' | 'bicubic';

/** Loads `classifier.json` and the network beside it. */
export function loadClassifier(
  folder?: string,
  options?: { gpu?: boolean },
): Promise<{
  classes: string[];
  device: 'webgpu' | 'wasm';
  classify(picture: unknown, options?: { topk?: number }): Promise<Answer>;
}>;
/** The steps in a row. */
export function prepare(image: Pixels, steps: readonly Step[]): Pixels;
