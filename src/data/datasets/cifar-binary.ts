// The binary format of CIFAR: records of one or two label bytes and 3072 bytes of an image, its red, green and blue planes.
// https://www.cs.toronto.edu/~kriz/cifar.html
import { join } from 'node:path';

import { RetortError } from '../../errors.ts';
import { readBytes } from '../../files.ts';
import { tensorFromBytes } from '../../torch/index.ts';
import type { InMemoryOptions } from './in-memory.ts';

const imageBytes = 3 * 32 * 32;

export interface CifarFiles {
  folder: string;
  files: readonly string[];
  /** Label bytes of a record; the last is the class. */
  labelBytes: 1 | 2;
  /** Only the first so many samples. Default all. */
  limit?: number | undefined;
}

/** @throws {RetortError} when a file cannot be read or does not hold a whole number of records. */
export function readCifarBinary(options: CifarFiles): Omit<InMemoryOptions, 'classes'> {
  const { folder, files, labelBytes, limit = Infinity } = options;
  const recordBytes = labelBytes + imageBytes;
  const records: Uint8Array[] = [];
  for (const file of files) {
    const bytes = readBytes(join(folder, file));
    if (bytes.length === 0 || bytes.length % recordBytes !== 0) {
      throw new RetortError(
        `${join(folder, file)}: expected a multiple of ${recordBytes} bytes, one record per image, got ${bytes.length} bytes`,
        { code: 'invalid-file', help: 'the file is truncated, or is another one: download or copy it again' },
      );
    }
    for (let at = 0; at < bytes.length && records.length < limit; at += recordBytes) {
      records.push(bytes.subarray(at, at + recordBytes));
    }
    if (records.length >= limit) break;
  }
  const images = new Uint8Array(records.length * imageBytes);
  records.forEach((record, i) => images.set(record.subarray(labelBytes), i * imageBytes));
  return {
    images: tensorFromBytes(images, 'uint8', [records.length, 3, 32, 32]),
    labels: Uint8Array.from(records, (record) => record[labelBytes - 1]!),
  };
}
