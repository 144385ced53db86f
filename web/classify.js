// @ts-check
// A classifier in a browser: loads `classifier.json` and the network beside it, prepares images as in training, and runs the network with
// onnxruntime-web, on the graphics card where there is one, else in WebAssembly.

/**
 * @typedef {{ label: string, score: number, index: number }} Prediction a class, and how likely it is, 0 to 1
 * @typedef {{ predictions: Prediction[], milliseconds: number }} Answer
 * @typedef {{ type: 'Resize', size: [number, number], interpolation?: Filter }
 *   | { type: 'ResizeEdge', size: number, edge?: 'short' | 'long' | 'width' | 'height', interpolation?: Filter }
 *   | { type: 'CenterCrop', size: [number, number] }} Step what is done to an image; sizes are `[height, width]`
 * @typedef {'bilinear' | 'bicubic'} Filter
 * @typedef {{ model: string, classes: string[], channels: number, steps: Step[] }} About what `classifier.json` says
 * @typedef {{ data: Uint8ClampedArray | Uint8Array, height: number, width: number, channels: number }} Pixels row by row
 * @typedef {Blob | ImageData | HTMLImageElement | HTMLVideoElement | HTMLCanvasElement | ImageBitmap} Picture
 */

/**
 * Loads a classifier.
 * @param {string} [folder] where `classifier.json` is, with a slash at the end; default: beside the page
 * @param {{ gpu?: boolean }} [options] `gpu: false` computes on the processor alone
 */
export async function loadClassifier(folder = './', { gpu = true } = {}) {
  const base = new URL(folder, document.baseURI);
  const answer = await fetch(new URL('classifier.json', base));
  if (!answer.ok) throw new Error(`cannot load ${answer.url}: ${answer.status} ${answer.statusText}`);
  /** @type {About} */
  const about = await answer.json();
  let network = await open(base, about, gpu);
  /** What was asked before: a network answers one after the other. @type {Promise<unknown>} */
  let before = Promise.resolve();

  /** Once; on the processor from then on, where the graphics card gives up half-way. */
  async function scoresOf(/** @type {Pixels} */ image) {
    try {
      return await run(network, image);
    } catch (error) {
      if (network.device !== 'webgpu') throw error;
      console.warn('the network no longer runs on the graphics card:', error);
      network = await open(base, about, false);
      return run(network, image);
    }
  }
  return {
    classes: about.classes,
    /** `webgpu` or `wasm`; it may change when the graphics card gives up. */
    get device() {
      return network.device;
    },
    /**
     * @param {Picture} picture a file that was chosen or dropped, an element of the page, pixels
     * @param {{ topk?: number }} [options] how many of the likeliest classes are told; default 5
     * @returns {Promise<Answer>}
     */
    async classify(picture, { topk = 5 } = {}) {
      const image = prepare(await pixelsOf(picture, about.channels), about.steps);
      const answer = before.then(() => scoresOf(image));
      before = answer.catch(() => undefined);
      const { scores, milliseconds } = await answer;
      if (!scores.every(Number.isFinite)) throw new Error('the network gives scores that are no numbers');
      const predictions = scores
        .map((score, index) => ({ label: about.classes[index] ?? String(index), score, index }))
        .sort((a, b) => b.score - a.score)
        .slice(0, topk);
      return { predictions, milliseconds };
    },
  };
}

/** One image through the network. */
async function run(/** @type {Awaited<ReturnType<typeof open>>} */ { ort, session }, /** @type {Pixels} */ image) {
  const started = performance.now();
  const shape = [1, image.height, image.width, image.channels];
  const tensor = new ort.Tensor('uint8', new Uint8Array(image.data), shape);
  const results = await session.run({ [session.inputNames[0]]: tensor });
  const milliseconds = performance.now() - started;
  const scores = Array.from(/** @type {Float32Array} */ (results[session.outputNames[0]].data));
  return { scores, milliseconds };
}

/** The network on the graphics card or, where that is not to be had or cannot run it, on the processor. */
async function open(/** @type {URL} */ base, /** @type {About} */ { model }, /** @type {boolean} */ gpu) {
  const load = async (/** @type {'webgpu' | 'wasm'} */ device) => {
    const runtime = new URL('ort/', base).href;
    const ort = await import(`${runtime}ort.${device}.min.mjs`);
    ort.env.wasm.wasmPaths = runtime;
    const session = await ort.InferenceSession.create(new URL(model, base).href, { executionProviders: [device] });
    return { ort, session, device };
  };
  if (gpu && (await hasGpu())) {
    try {
      return await load('webgpu');
    } catch (error) {
      console.warn('the network does not run on the graphics card:', error);
    }
  }
  return load('wasm');
}

async function hasGpu() {
  const { gpu } = /** @type {{ gpu?: { requestAdapter(): Promise<unknown> } }} */ (/** @type {unknown} */ (navigator));
  try {
    return ((await gpu?.requestAdapter()) ?? null) !== null;
  } catch {
    return false;
  }
}

/**
 * The pixels of a picture: RGB, or gray as `(299 R + 587 G + 114 B) / 1000`.
 * @param {Picture} picture
 * @param {number} channels 3 or 1
 * @returns {Promise<Pixels>}
 */
export async function pixelsOf(picture, channels) {
  const { data, width, height } = picture instanceof ImageData ? picture : await drawn(picture);
  const pixels = new Uint8Array(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    const [r, g, b] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
    if (channels === 1) pixels[i] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    else pixels.set([r, g, b], 3 * i);
  }
  return { data: pixels, height, width, channels };
}

async function drawn(/** @type {Exclude<Picture, ImageData>} */ picture) {
  const options = /** @type {const} */ ({ imageOrientation: 'from-image', colorSpaceConversion: 'none' });
  const bitmap = await createImageBitmap(picture, options);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new Error('this browser cannot draw images');
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/**
 * The steps in a row.
 * @param {Pixels} image
 * @param {readonly Step[]} steps
 * @returns {Pixels}
 */
export function prepare(image, steps) {
  return steps.reduce((before, step) => {
    if (step.type === 'CenterCrop') return cropped(before, step.size);
    const size = step.type === 'Resize' ? step.size : edgeSize(before, step);
    return resized(before, size, step.interpolation ?? 'bilinear');
  }, image);
}

/** @returns {[number, number]} */
function edgeSize(/** @type {Pixels} */ { height, width }, /** @type {Extract<Step, { type: 'ResizeEdge' }>} */ step) {
  const { size, edge = 'short' } = step;
  const byWidth = edge === 'width' || (edge === 'short' && width < height) || (edge === 'long' && width > height);
  const other = (/** @type {number} */ length, /** @type {number} */ by) =>
    Math.max(1, Math.floor((size * length) / by));
  return byWidth ? [other(height, width), size] : [size, other(width, height)];
}

/** @returns {Pixels} */
function cropped(/** @type {Pixels} */ { data, height, width, channels }, /** @type {[number, number]} */ [h, w]) {
  if (height < h || width < w) throw new Error(`cannot crop ${h}x${w} out of ${height}x${width}`);
  const [top, left] = [halfToEven((height - h) / 2), halfToEven((width - w) / 2)];
  const out = new Uint8Array(h * w * channels);
  for (let y = 0; y < h; y++) {
    const start = ((top + y) * width + left) * channels;
    out.set(data.subarray(start, start + w * channels), y * w * channels);
  }
  return { data: out, height: h, width: w, channels };
}

const halfToEven = (/** @type {number} */ value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

/** Columns first, rounded, then rows: each new pixel is a weighted mean over all it covers. @returns {Pixels} */
function resized(
  /** @type {Pixels} */ image,
  /** @type {[number, number]} */ [height, width],
  /** @type {Filter} */ filter,
) {
  const wide = image.width === width ? image : resizedAlong(image, 1, width, filter);
  return wide.height === height ? wide : resizedAlong(wide, 0, height, filter);
}

/** @returns {Pixels} */
function resizedAlong(
  /** @type {Pixels} */ image,
  /** @type {0 | 1} */ axis,
  /** @type {number} */ size,
  /** @type {Filter} */ filter,
) {
  const { data, channels } = image;
  const shape = axis === 0 ? [size, image.width] : [image.height, size];
  const [height, width] = shape;
  const step = axis === 0 ? image.width * channels : channels;
  const out = new Uint8Array(height * width * channels);
  const windows = windowsOf(axis === 0 ? image.height : image.width, size, filter);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const { start, weights } = windows[axis === 0 ? y : x];
      const first = axis === 0 ? (start * image.width + x) * channels : (y * image.width + start) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * data[first + k * step + c];
        out[(y * width + x) * channels + c] = Math.min(255, Math.max(0, Math.floor(sum + 0.5)));
      }
    }
  }
  return { data: out, height, width, channels };
}

/** What each pixel along an axis is made of. */
function windowsOf(/** @type {number} */ from, /** @type {number} */ to, /** @type {Filter} */ filter) {
  const { reach, weight } = filters[filter];
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - reach * stretch + 0.5));
    const end = Math.min(from, Math.trunc(center + reach * stretch + 0.5));
    const raw = Array.from({ length: end - start }, (_, k) => weight((start + k - center + 0.5) / stretch));
    const sum = raw.reduce((total, one) => total + one, 0);
    return { start, weights: raw.map((one) => one / sum) };
  });
}

/** @type {Record<Filter, { reach: number, weight: (x: number) => number }>} */
const filters = {
  bilinear: { reach: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    reach: 2,
    weight: (x) => {
      const [a, t] = [-0.5, Math.abs(x)];
      if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
      return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
    },
  },
};
