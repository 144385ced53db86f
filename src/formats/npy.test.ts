// Golden bytes of NumPy 2, every element type there and back, and hostile headers.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FormatError, type NumericArray, parseNpy, serializeNpy } from './index.ts';

const rest = "'fortran_order': False, 'shape': (2,), }";

describe('numpy', () => {
  it('writes what we write', () => {
    const array = { dtype: 'float32', shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) } as const;
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".padEnd(117);
    const expected = npy(1, `${header}\n`, array.data);
    expect(expected.length).toBe(152);
    expect(Buffer.concat(serializeNpy(array))).toEqual(expected);
    expect(parseNpy(expected)).toEqual(array);
  });

  it('writes big-endian Fortran order, which we turn round', () => {
    /** `np.asfortranarray(np.arange(24, dtype='>i2').reshape(2, 3, 4))` */
    const bytes = base64(
      'k05VTVBZAQB2AHsnZGVzY3InOiAnPmkyJywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMywgNCksIH0gICAgICAgICAgIC',
      'AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAMAAQAEAAIABQAAQANAAUAEQAJABUAAgAOAAYAEgAKABYA',
      'AwAPAAcAEwALABc=',
    );
    const data = Int16Array.from({ length: 24 }, (_, index) => index);
    expect(parseNpy(bytes)).toEqual({ dtype: 'int16', shape: [2, 3, 4], data });
  });

  it('writes versions 2 and 3', () => {
    const data = BigUint64Array.of(1n, 2n ** 64n - 1n);
    expect(parseNpy(npy(2, `{'descr': '<u8', ${rest}\n`, data))).toEqual({ dtype: 'uint64', shape: [2], data });
    const scalar = npy(3, "{'descr': '|b1', 'fortran_order': False, 'shape': (), }\n", Uint8Array.of(1));
    expect(parseNpy(scalar)).toEqual({ dtype: 'bool', shape: [], data: Uint8Array.of(1) });
  });

  it('once wrote keys in any order and Python 2 integers', () => {
    const bytes = npy(
      1,
      `{"shape": (1L, 2L), "fortran_order": True, "descr": ">f4"}`,
      Uint8Array.of(63, 128, 0, 0, 64, 0, 0, 0),
    );
    expect(parseNpy(bytes)).toEqual({ dtype: 'float32', shape: [1, 2], data: Float32Array.of(1, 2) });
  });
});

describe('round trip', () => {
  const arrays = fc.oneof(
    fc.uint8Array().map((data) => ({ dtype: 'uint8', shape: [data.length], data }) as const),
    fc.int8Array().map((data) => ({ dtype: 'int8', shape: [1, data.length], data }) as const),
    fc.uint16Array().map((data) => ({ dtype: 'uint16', shape: [data.length, 1], data }) as const),
    fc.uint16Array().map((data) => ({ dtype: 'float16', shape: [data.length], data }) as const),
    fc.int16Array().map((data) => ({ dtype: 'int16', shape: [data.length], data }) as const),
    fc.uint32Array().map((data) => ({ dtype: 'uint32', shape: [data.length], data }) as const),
    fc.int32Array().map((data) => ({ dtype: 'int32', shape: [data.length], data }) as const),
    fc.bigUint64Array().map((data) => ({ dtype: 'uint64', shape: [data.length], data }) as const),
    fc.bigInt64Array().map((data) => ({ dtype: 'int64', shape: [data.length], data }) as const),
    fc.float32Array().map((data) => ({ dtype: 'float32', shape: [data.length], data }) as const),
    fc.float64Array().map((data) => ({ dtype: 'float64', shape: [data.length], data }) as const),
    fc.constant({ dtype: 'bool', shape: [0, 3], data: new Uint8Array() } as const),
  );

  it('gives back every array, also from an odd address', () => {
    fc.assert(
      fc.property(arrays, fc.nat(7), (array: NumericArray, shift) => {
        const file = Buffer.concat([Buffer.alloc(shift), ...serializeNpy(array)]);
        expect(parseNpy(file.subarray(shift))).toEqual(array);
      }),
    );
  });

  it('starts the data at a multiple of 64 bytes', () => {
    const shape = fc.array(fc.constant(1), { maxLength: 64 });
    fc.assert(
      fc.property(shape, (ones) => {
        const [header] = serializeNpy({ dtype: 'uint8', shape: ones, data: Uint8Array.of(9) });
        expect(header!.length % 64).toBe(0);
        expect(header!.at(-1)).toBe(10);
      }),
    );
  });
});

describe('hostile files', () => {
  const two = Uint8Array.of(1, 2);
  const u1 = (text: string) => npy(1, text, two);

  it.each<[string, string, Uint8Array]>([
    ['nothing', 'magic', new Uint8Array()],
    ['a zip', 'magic', Buffer.from('PK\x03\x04')],
    ['only the magic', 'truncated', Buffer.from('\x93NUMPY', 'latin1')],
    ['version 4', 'version', npy(4, `{'descr': '|u1', ${rest}`, two)],
    ['a header that is cut off', 'truncated', u1(`{'descr': '|u1', ${rest}`).subarray(0, 40)],
    ['a header of 4 GiB', 'too-large', Buffer.from('\x93NUMPY\x02\0\xff\xff\xff\xff', 'latin1')],
    ['pickled objects', 'pickle', u1(`{'descr': '|O', ${rest}`)],
    ['a structured array', 'dtype', u1(`{'descr': [('a', '<i4'), ('b', '<f4')], ${rest}`)],
    ['complex numbers', 'dtype', u1(`{'descr': '<c8', ${rest}`)],
    ['text', 'dtype', u1(`{'descr': '<U8', ${rest}`)],
    ['no byte order for two bytes', 'dtype', u1(`{'descr': '|u2', ${rest}`)],
    ['no dict', 'syntax', u1('[]')],
    ['an open dict', 'syntax', u1("{'descr': '|u1', ")],
    ['text after the dict', 'syntax', u1(`{'descr': '|u1', ${rest} __import__('os')`)],
    ['an expression', 'syntax', u1(`{'descr': str(1), ${rest}`)],
    ['an unknown key', 'syntax', u1(`{'descr': '|u1', 'x': True, ${rest}`)],
    ['a key twice', 'duplicate-key', u1(`{'descr': '|u1', 'descr': '|u1', ${rest}`)],
    ['no shape', 'missing-field', u1("{'descr': '|u1', 'fortran_order': False}")],
    ['a text for the order', 'missing-field', u1("{'descr': '|u1', 'fortran_order': 'False', 'shape': (2,)}")],
    ['a shape without a comma', 'shape', u1("{'descr': '|u1', 'fortran_order': False, 'shape': (2)}")],
    ['two commas', 'shape', u1("{'descr': '|u1', 'fortran_order': False, 'shape': (2,,)}")],
    ['a negative dimension', 'syntax', u1("{'descr': '|u1', 'fortran_order': False, 'shape': (-2,)}")],
    ['65 dimensions', 'shape', u1(`{'descr': '|u1', 'fortran_order': False, 'shape': (${'1,'.repeat(65)})}`)],
    ['a huge dimension', 'overflow', u1("{'descr': '|u1', 'fortran_order': False, 'shape': (9007199254740992,)}")],
    ['a huge product', 'overflow', u1("{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296)}")],
    ['data cut off', 'truncated', u1("{'descr': '<u2', 'fortran_order': False, 'shape': (2,)}")],
    ['data left over', 'trailing-data', u1("{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}")],
    ['a page of white space', 'syntax', u1(`{'descr': '|u1'${' '.repeat(60_000)}x`)],
    ['a shape of white space', 'syntax', u1(`{'descr': '|u1', 'shape': (1,${' '.repeat(60_000)}x`)],
  ])('%s: %s', (_, code, bytes) => {
    expect(() => parseNpy(bytes)).toThrow(expect.objectContaining({ name: 'FormatError', format: 'npy', code }));
  });

  it('fuzzing: a FormatError or an array', () => {
    const golden = u1(`{'descr': '|u1', ${rest}`);
    const changes = fc.array(fc.tuple(fc.nat(golden.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(changes, (list) => {
        const bytes = Uint8Array.from(golden);
        for (const [position, value] of list) bytes[position] = value;
        expect(errorOf(bytes)).toSatisfy((error) => error === undefined || error instanceof FormatError);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the writer refuses', () => {
  it.each<[string, string, unknown]>([
    ['data of another class', 'dtype', { dtype: 'float32', shape: [1], data: Float64Array.of(1) }],
    ['data of another size', 'size-mismatch', { dtype: 'float32', shape: [2], data: Float32Array.of(1) }],
    ['a fraction', 'shape', { dtype: 'uint8', shape: [0.5, 2], data: Uint8Array.of(1) }],
    ['65 dimensions', 'shape', { dtype: 'uint8', shape: Array(65).fill(1), data: Uint8Array.of(1) }],
  ])('%s: %s', (_, code, array) => {
    expect(() => serializeNpy(array as NumericArray)).toThrow(expect.objectContaining({ code }));
  });
});

function errorOf(bytes: Uint8Array): unknown {
  try {
    parseNpy(bytes);
    return undefined;
  } catch (error) {
    return error;
  }
}

function npy(version: number, header: string, data: ArrayBufferView): Buffer {
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  length.writeUIntLE(header.length, 0, length.length);
  const body = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([
    Buffer.from('\x93NUMPY', 'latin1'),
    Uint8Array.of(version, 0),
    length,
    Buffer.from(header),
    body,
  ]);
}

function base64(...lines: string[]): Uint8Array {
  return new Uint8Array(Buffer.from(lines.join(''), 'base64'));
}
