// NPZ files: NumPy's own, ours, and files that break the rules. What any zip archive must keep is tested in zip.test.ts.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { serializeNpy } from './npy.ts';
import { parseNpz, readNpz, serializeNpz, streamNpz } from './npz.ts';
import type { NumericArray } from './numeric-array.ts';
import { bytes } from './testing/archives.ts';
import { serializeZip } from './zip-writer.ts';

const path = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const array: NumericArray = { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) };
const npy = (): Buffer => Buffer.concat(serializeNpy(array));
const zip = (files: Record<string, Uint8Array>): Buffer =>
  Buffer.concat([...serializeZip(Object.entries(files).map(([name, content]) => ({ name, pieces: [content] })))]);

describe('an NPZ file', () => {
  it('of NumPy is read, whatever the order of its bytes and elements', () => {
    const arrays = readNpz(path('arrays.npz'));
    expect(arrays.get('weight')).toEqual({ dtype: 'float32', shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) });
    expect(arrays.get('fortran')).toEqual({ dtype: 'float64', shape: [2, 3], data: Float64Array.of(0, 1, 2, 3, 4, 5) });
    expect(arrays.get('big')).toEqual({ dtype: 'int32', shape: [3], data: Int32Array.of(0, 1, 2) });
    expect([...arrays.keys()]).toEqual(['weight', 'fortran', 'big', 'flags', 'half', 'wide']);
    expect(parseNpz(readFileSync(path('compressed.npz'))).get('zeros')?.data).toEqual(new Float32Array(10_000));
  });

  it.each(['arrays.npz', 'compressed.npz'])('%s is streamed as it is read', (name) => {
    const streamed = new Map<string, Buffer>();
    streamNpz(path(name), {
      take: (array) => {
        streamed.set(array, Buffer.alloc(0));
        return (piece) => void streamed.set(array, Buffer.concat([streamed.get(array)!, piece]));
      },
    });
    const read = [...readNpz(path(name))].map(([key, { data }]) => [
      key,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    ]);
    expect([...streamed]).toEqual(read);
  });

  it.each([false, true])('comes back, compressed: %s', (compress) => {
    const arrays = new Map<string, NumericArray>([
      ['a', array],
      ['b/c', { dtype: 'int64', shape: [], data: BigInt64Array.of(5n) }],
      ['e', { dtype: 'uint8', shape: [0, 2], data: new Uint8Array() }],
    ]);
    expect(parseNpz(Buffer.concat([...(serializeNpz(arrays, { compress }) as Iterable<Uint8Array>)]))).toEqual(arrays);
  });

  it.each([
    ['an entry that is no array', { 'a.npy': npy(), 'b.txt': bytes('x') }, 'syntax', 'b.txt'],
    ['an array that is none', { 'a.npy': bytes('hello') }, 'magic', '"a"'],
    ['an array that is cut off', { 'a.npy': npy().subarray(0, -1) }, 'truncated', '"a"'],
    [
      'Python objects',
      { 'a.npy': Buffer.from(npy().toString('latin1').replace('<f4', '|O4'), 'latin1') },
      'pickle',
      '"a"',
    ],
  ] as const)('is refused with %s', (_, files, code, mention) => {
    expect(() => parseNpz(zip(files))).toThrow(refusal(code, mention));
  });

  it('is refused where data do not fit their array', () => {
    expect(() => serializeNpz([['a', { ...array, shape: [3] }]])).toThrow(refusal('size-mismatch', '"a"'));
  });
});
