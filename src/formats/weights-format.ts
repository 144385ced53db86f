// Which format a file of weights has, told from its content: names of files say little (`.bin`, `.ckpt`, `.pt` may be anything).
import path from 'node:path';

import { RetortError } from '../errors.ts';
import { isFile, isFolder } from '../files.ts';
import { failFor, quote } from './format-error.ts';
import { npzNames } from './npz.ts';
import { withFile } from './read-file.ts';
import { safetensorsShards } from './safetensors-shards.ts';
import { safetensorsNames } from './safetensors.ts';
import { isTorchStream, withTorchFile } from './torch-file.ts';
import { torchStateOf } from './torch-state.ts';
import { isZip, zipNames } from './zip.ts';

/** What a path is: `index` is that of safetensors files. */
export type WeightsFormat = 'safetensors' | 'index' | 'pth' | 'npz';

/**
 * The format of a file, or of the weights in a folder as model hubs have them (`model.safetensors.index.json`, `model.safetensors` or
 * `pytorch_model.bin`), with the path of the file itself.
 *
 * @throws RetortError `not-found` for a folder without weights; when it cannot be read.
 */
export function weightsFormat(file: string): { format: WeightsFormat; path: string } {
  if (isFolder(file)) return weightsFormat(inFolder(file));
  const format = withFile(file, (open): WeightsFormat => {
    if (open.size === 0) {
      throw failFor('weights')('truncated', 'it is empty', { help: 'download or copy the file again' });
    }
    const start = open.read(0, Math.min(open.size, 16));
    if (isZip(start)) {
      const names = zipNames(open, failFor('zip'));
      return names.length > 0 && names.every((name) => name.endsWith('.npy')) ? 'npz' : 'pth';
    }
    if (isTorchStream(start) && start[8] !== 0x7b) return 'pth';
    if (open.size >= 512 && Buffer.from(open.read(257, 5)).toString('latin1') === 'ustar') return 'pth';
    // The length of a safetensors header, at most 100 MB, has zeros in its upper half; JSON has none.
    return start[0] === 0x7b && start[7] !== 0 ? 'index' : 'safetensors';
  });
  return { format, path: file };
}

/**
 * The names of the tensors in a file or folder of weights, without reading the tensors: that it is whole in all else is seen too.
 *
 * @throws RetortError when it cannot be read, FormatError where it is damaged or has objects that are not known.
 */
export function weightsNames(given: string): string[] {
  const { format, path: file } = weightsFormat(given);
  if (format === 'safetensors') return safetensorsNames(file);
  if (format === 'index') {
    return [...safetensorsShards(file).files].flatMap(([shard, wanted]) => {
      const there = new Set(safetensorsNames(shard));
      const lost = [...wanted].find((name) => !there.has(name));
      if (lost === undefined) return [...wanted];
      throw failFor('safetensors', { path: shard })('missing-field', `${quote(lost)} of the index is not in it`);
    });
  }
  if (format === 'pth') return withTorchFile(file, {}, ({ value }) => [...torchStateOf(value).tensors.keys()]);
  return npzNames(file);
}

const inFolders = [
  'model.safetensors.index.json',
  'model.safetensors',
  'diffusion_pytorch_model.safetensors',
  'pytorch_model.bin',
];

function inFolder(folder: string): string {
  const found = inFolders.map((name) => path.join(folder, name)).find(isFile);
  if (found !== undefined) return found;
  throw new RetortError(`${folder} is a folder without weights: it has none of ${inFolders.join(', ')}`, {
    code: 'not-found',
    help: 'name the file itself',
  });
}
