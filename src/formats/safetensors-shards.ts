// Weights in several safetensors files, as model hubs have them: an index (`model.safetensors.index.json`) says which tensor is in which.
// Format: https://huggingface.co/docs/transformers/big_models#sharded-checkpoints
//
// An index MUST be JSON of at most 64 MiB with a `weight_map` from tensors to files; no tensor twice; each file MUST be a name in the index's
// own folder, without a path. Links are followed: hubs' caches are made of them.

import path from 'node:path';

import { seen } from '../files.ts';
import { failFor, FormatError, quote } from './format-error.ts';
import { JsonCursor } from './json-cursor.ts';
import { withFile } from './read-file.ts';

const format = 'safetensors index';
const mostBytes = 2 ** 26;

/** Which files a set of weights is in. */
export interface SafetensorsShards {
  /** Paths of the files, each with the names of the tensors that are to be taken from it. */
  readonly files: ReadonlyMap<string, ReadonlySet<string>>;
  /** What the index says of itself; values that are no texts as JSON. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads an index.
 *
 * @throws RetortError when it cannot be read, FormatError with the path when it is none, or names a file outside of its folder or one that
 *   is not there.
 *
 * @example
 * ```ts
 * for (const [file, names] of safetensorsShards('model.safetensors.index.json').files) console.log(file, names.size);
 * ```
 */
export function safetensorsShards(index: string): SafetensorsShards {
  const bytes = withFile(index, (file) => {
    if (file.size <= mostBytes) return file.read(0, file.size);
    throw failFor(format)('too-large', `an index of ${file.size} bytes; at most ${mostBytes} are read`);
  });
  try {
    return parseIndex(bytes, path.dirname(index));
  } catch (error) {
    throw error instanceof FormatError ? error.inFile(index) : error;
  }
}

function parseIndex(bytes: Uint8Array, folder: string): SafetensorsShards {
  const fail = failFor(format);
  const json = new JsonCursor(bytes, { base: 0, fail });
  const files = new Map<string, Set<string>>();
  const metadata = Object.create(null) as Record<string, string>;
  let hasMap = false;
  json.object((field) => {
    if (field === 'weight_map') {
      hasMap = true;
      json.object((tensor) => {
        const name = json.string('syntax');
        if (!/^[^/\\\0]+$/.test(name) || name === '.' || name === '..') {
          throw fail(
            'name',
            `${quote(tensor)} is said to be in ${quote(name)}, which is no name of a file in the same folder`,
          );
        }
        const file = path.join(folder, name);
        const names = files.get(file) ?? new Set();
        files.set(file, names.add(tensor));
      });
    } else if (field === 'metadata') {
      json.object((key) => {
        const start = json.offset;
        json.skip();
        const text = Buffer.from(bytes.subarray(start, json.offset)).toString();
        metadata[key] = text.startsWith('"') ? (JSON.parse(text) as string) : text;
      });
    } else json.skip();
  });
  json.end();
  if (!hasMap)
    throw fail('missing-field', 'no "weight_map"', { help: 'name the index of a model in safetensors files' });
  const lost = [...files.keys()].filter((file) => seen(file)?.isFile() !== true);
  if (lost.length > 0) {
    const names = lost.slice(0, 4).map((file) => quote(path.basename(file)));
    throw fail('missing-field', `${lost.length} of its ${files.size} files are not there: ${names.join(', ')}`, {
      help: 'download all files of the model into one folder',
    });
  }
  return { files, metadata };
}
