// The real Fashion-MNIST where Debian's package is installed, small made-up files of every type, and hostile ones.

import fs from 'node:fs';
import { gzipSync } from 'node:zlib';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { FormatError, parseIdx, readIdxFile } from './index.ts';

const fashionMnist = '/usr/share/datasets/fashion-mnist';

describe.runIf(fs.existsSync(fashionMnist))('Fashion-MNIST', () => {
  it('has 60,000 training images of 28 x 28', () => {
    const { dtype, shape, data } = readIdxFile(`${fashionMnist}/train-images-idx3-ubyte.gz`);
    expect({ dtype, shape, length: data.length }).toEqual({
      dtype: 'uint8',
      shape: [60_000, 28, 28],
      length: 60_000 * 28 * 28,
    });
    let sum = 0;
    for (const pixel of data) sum += pixel;
    expect(sum / data.length / 255).toBeCloseTo(0.286, 3); // the mean that everybody normalises with
  });

  it.each([
    ['train', 6000],
    ['t10k', 1000],
  ])('%s has %i labels of each class', (part, count) => {
    const { data } = readIdxFile(`${fashionMnist}/${part}-labels-idx1-ubyte.gz`);
    const counts = Array<number>(10).fill(0);
    for (const label of data) counts[label]!++;
    expect(counts).toEqual(Array(10).fill(count));
  });
});

describe('made-up files', () => {
  it.each([
    [0x08, 'uint8', [0, 255], Uint8Array.of(0, 255)],
    [0x09, 'int8', [0, 255], Int8Array.of(0, -1)],
    [0x0b, 'int16', [1, 2, 255, 254], Int16Array.of(258, -2)],
    [0x0c, 'int32', [0, 0, 1, 2, 255, 255, 255, 254], Int32Array.of(258, -2)],
    [0x0d, 'float32', [0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0], Float32Array.of(1, -2)],
    [0x0e, 'float64', [0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0], Float64Array.of(1, -2)],
  ])('type %i is %s', (type, dtype, bytes, data) => {
    const file = idx(type, [2], bytes);
    expect(parseIdx(file)).toEqual({ dtype, shape: [2], data });
    expect(parseIdx(gzipSync(file))).toEqual({ dtype, shape: [2], data });
  });

  it('may be empty', () => {
    expect(parseIdx(idx(8, [0, 28, 28], []))).toEqual({ dtype: 'uint8', shape: [0, 28, 28], data: new Uint8Array() });
    expect(parseIdx(gzipSync(idx(8, [0], []))).shape).toEqual([0]);
  });
});

describe('hostile files', () => {
  const bomb = gzipSync(Buffer.concat([idx(8, [4], []), Buffer.alloc(1e7)]));
  const honestBomb = gzipSync(Buffer.concat([idx(8, [1e7], []), Buffer.alloc(1e7)]));
  const good = gzipSync(idx(8, [3], [1, 2, 3]));

  it.each<[string, string, Uint8Array]>([
    ['nothing', 'truncated', new Uint8Array()],
    ['an HTML page', 'magic', Buffer.from('<!DOCTYPE html>')],
    ['a gzipped text', 'magic', gzipSync('hello')],
    ['gzip of nothing', 'truncated', gzipSync('')],
    ['an unknown type', 'dtype', idx(0x0a, [1], [1])],
    ['no dimensions', 'shape', idx(8, [], [1])],
    ['a header cut off', 'truncated', idx(8, [2, 2], []).subarray(0, 10)],
    ['absurd dimensions', 'truncated', idx(8, [0xffffffff], [])],
    ['absurd dimensions, gzipped', 'too-large', gzipSync(idx(8, [0xffffffff], []))],
    ['a product above 2^53', 'overflow', idx(8, Array(255).fill(0xffffffff), [])],
    ['too short', 'truncated', idx(8, [3], [1, 2])],
    ['too long', 'trailing-data', idx(8, [3], [1, 2, 3, 4])],
    ['too short, gzipped', 'truncated', gzipSync(idx(8, [3], [1, 2]))],
    ['too long, gzipped', 'trailing-data', gzipSync(idx(8, [3], [1, 2, 3, 4]))],
    ['a zip bomb', 'trailing-data', bomb],
    ['a gzip cut off', 'compression', good.subarray(0, -9)],
    ['a gzip without its checksum', 'compression', good.subarray(0, -8)],
    ['a gzip with a wrong checksum', 'compression', Uint8Array.from(good).fill(0, -8)],
    ['a gzip header and no more', 'truncated', Uint8Array.of(0x1f, 0x8b)],
  ])('%s: %s', (_, code, bytes) => {
    expect(() => parseIdx(bytes)).toThrow(expect.objectContaining({ name: 'FormatError', format: 'idx', code }));
  });

  it('inflate to `maxBytes` at most', () => {
    expect(() => parseIdx(honestBomb, { maxBytes: 1e6 })).toThrow(refusal('too-large', '10000008', '1000000'));
    expect(parseIdx(honestBomb).shape).toEqual([1e7]);
  });

  it('are refused before they inflate, where that is known', () => {
    const seen: unknown[] = [];
    const check = (header: unknown): void => {
      seen.push(header);
      throw new Error('not this one');
    };
    expect(() => parseIdx(honestBomb, { check })).toThrow('not this one');
    expect(seen).toEqual([expect.objectContaining({ dtype: 'uint8', shape: [1e7] })]);
    const announced = gzipSync(idx(8, [2 ** 29], [1, 2, 3]));
    expect(() => parseIdx(announced)).toThrow(refusal('truncated', '536870920'));
  });

  it.each([
    ['plain', idx(0x0b, [2, 2], [1, 2, 3, 4, 5, 6, 7, 8])],
    ['gzipped', gzipSync(idx(0x0b, [2, 2], [1, 2, 3, 4, 5, 6, 7, 8]))],
  ])('fuzzing, %s: a FormatError or an array', (_, file) => {
    const changes = fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(changes, fc.option(fc.nat(file.length)), (list, cut) => {
        const bytes = Uint8Array.from(file.subarray(0, cut ?? undefined));
        for (const [position, value] of list) bytes[position] = value;
        expect(errorOf(bytes)).toSatisfy((error) => error === undefined || error instanceof FormatError);
      }),
      { numRuns: 1000 },
    );
  });
});

function errorOf(bytes: Uint8Array): unknown {
  try {
    parseIdx(bytes);
    return undefined;
  } catch (error) {
    return error;
  }
}

function idx(type: number, shape: number[], data: number[]): Uint8Array {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, type, shape.length]);
  for (const [axis, size] of shape.entries()) header.writeUInt32BE(size, 4 + 4 * axis);
  return Buffer.concat([header, Uint8Array.from(data)]);
}
