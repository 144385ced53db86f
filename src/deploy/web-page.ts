// A folder that is a whole page: the network, what it takes to use it in a browser, and onnxruntime-web, so that nothing is loaded from
// anywhere else.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { shown } from '../check.ts';
import { RetortError } from '../errors.ts';
import { exists, isFile, isFolder, makeFolder, readBytes } from '../files.ts';
import { writeFileAtomicSync } from '../formats/index.ts';
import type { ModelInfo, Preprocessing } from './model-info.ts';

/** The page's own files, which lie in `web/` of the package; what browsers ask for first is written last. */
const ownFiles = ['page.css', 'page.js', 'classify.js', 'index.html'];
/** Of onnxruntime-web: for the processor, and for the graphics card. */
const runtimeFiles = [
  ...['ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm'],
  ...['ort.webgpu.min.mjs', 'ort-wasm-simd-threaded.asyncify.mjs', 'ort-wasm-simd-threaded.asyncify.wasm'],
];

/** What is done to an image in the page before the network sees its bytes: see `web/classify.js`. */
type Step = Readonly<Record<string, unknown>>;

/**
 * Writes the page.
 * @param folder is made if it is not there; a page of before is replaced, files of other names are left
 * @param model an ONNX file's bytes, with the preprocessing inside: uint8 `(N, H, W, C)` in, probabilities `(N, K)` out
 * @throws {RetortError} when onnxruntime-web is not installed, or images are prepared in a way that the page does not know.
 */
export function writeWebPage(folder: string, model: Uint8Array, info: ModelInfo): void {
  const { preprocessing, classes } = info;
  const about = { model: 'model.onnx', classes, channels: preprocessing?.channels, steps: webSteps(preprocessing) };
  const runtime = requireWebPlace(folder);
  makeFolder(join(folder, 'ort'));
  for (const name of runtimeFiles) writeFileAtomicSync(join(folder, 'ort', name), readBytes(join(runtime, name)));
  const own = fileURLToPath(new URL('../../web/', import.meta.url));
  writeFileAtomicSync(join(folder, about.model), model);
  writeFileAtomicSync(join(folder, 'classifier.json'), Buffer.from(`${JSON.stringify(about, null, 2)}\n`));
  for (const name of ownFiles) writeFileAtomicSync(join(folder, name), readBytes(join(own, name)));
}

/**
 * Where onnxruntime-web is, which goes into the page.
 * @param folder where the page is to be
 * @throws {RetortError} when onnxruntime-web is not installed, the folder is a file, or another page is in it.
 */
export function requireWebPlace(folder: string): string {
  if (typeof folder !== 'string' || folder === '') {
    throw new RetortError(`web: expected the path of a folder, got ${shown(folder)}`);
  }
  if (exists(folder) && !isFolder(folder)) {
    throw new RetortError(`web: ${folder} is not a folder: it is a file`, {
      code: 'not-found',
      help: 'choose another path, or move that file away',
    });
  }
  if (exists(join(folder, 'index.html')) && !exists(join(folder, 'classifier.json'))) {
    throw new RetortError(`web: ${folder} has an index.html that is not of such a page`, {
      help: 'choose an empty folder, or one of its own in there: the page brings an index.html',
    });
  }
  const runtime = runtimeFolder();
  const missing = runtimeFiles.filter((name) => !isFile(join(runtime, name)));
  if (missing.length === 0) return runtime;
  throw new RetortError(`web: ${runtime} has no ${missing.join(', ')}`, {
    code: 'unsupported',
    help: 'install a version of onnxruntime-web that has them: npm install onnxruntime-web@1.30',
  });
}

/**
 * The steps of a preprocessing that change an image's size; what changes its values is in the network's graph.
 * @throws {RetortError} where there is none, and for a transform that the page does not know.
 */
export function webSteps(preprocessing: Preprocessing | null): Step[] {
  requirePreprocessing(preprocessing);
  const { transforms, size } = preprocessing;
  const steps = transforms.flatMap((transform): Step[] => {
    const { type, antialias = true, interpolation = 'bilinear', ...options } = transform as Step & { type: string };
    if (type === 'Normalize') return [];
    if (type === 'CenterCrop') return [{ type, size: sides(options['size']) }];
    if (type !== 'Resize' && type !== 'ResizeEdge') {
      throw new RetortError(`web: the page cannot do ${type} to images`, {
        code: 'unsupported',
        help: 'it does Resize, ResizeEdge, CenterCrop and Normalize: leave the others out of the test data',
      });
    }
    if (antialias !== true || interpolation === 'nearest') {
      throw new RetortError(`web: the page resizes with antialias, bilinear or bicubic; ${type} says otherwise`, {
        code: 'unsupported',
        help: 'leave antialias and interpolation of the test data at their defaults',
      });
    }
    return [{ type, ...options, ...(type === 'Resize' && { size: sides(options['size']) }), interpolation }];
  });
  const fixed = steps.some(({ type }) => type === 'Resize' || type === 'CenterCrop');
  if (fixed || size === null) return steps;
  return [{ type: 'Resize', size, interpolation: 'bilinear' }, ...steps];
}

/** @throws {RetortError} where nothing is known of how images become inputs. */
export function requirePreprocessing(preprocessing: Preprocessing | null): asserts preprocessing is Preprocessing {
  if (preprocessing !== null) return;
  throw new RetortError('web: this model does not say how images become its inputs', {
    code: 'unsupported',
    help: 'give the test data of the run transforms that are plain data: { type: ..., ... }',
  });
}

const sides = (size: unknown): unknown => (Array.isArray(size) ? size : [size, size]);

/** Where onnxruntime-web is: beside Retort, or in the project from which it is called. */
function runtimeFolder(): string {
  for (const from of [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json')).href]) {
    try {
      const folder = dirname(createRequire(from).resolve('onnxruntime-web'));
      if (exists(folder)) return folder;
    } catch {
      // it is not there
    }
  }
  throw new RetortError('web: the package onnxruntime-web is not installed, and the page needs it', {
    code: 'not-found',
    help: 'npm install onnxruntime-web',
  });
}
