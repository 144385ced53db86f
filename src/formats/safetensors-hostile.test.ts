// A table of hostile safetensors files with the code of each, and fuzzing: nothing ever comes out but a FormatError or a file.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FormatError, parseSafetensors } from './index.ts';

describe('hostile files', () => {
  const x = (fields: string) => `{"x":{${fields}}}`;
  const u8 = (begin: number | string, end: number | string) =>
    `{"dtype":"U8","shape":[2],"data_offsets":[${begin},${end}]}`;
  const shaped = (shape: string) => x(`"dtype":"U8","shape":${shape},"data_offsets":[0,2]`);
  const huge = '9007199254740992';

  it.each<[string, string, Uint8Array]>([
    ['nothing', 'truncated', new Uint8Array()],
    ['half a length', 'truncated', Uint8Array.of(2, 0, 0, 0)],
    ['a header longer than the file', 'truncated', Buffer.from('\x03\0\0\0\0\0\0\0{}', 'latin1')],
    ['a header above 100 MB', 'too-large', Buffer.from('\x01\xe1\xf5\x05\0\0\0\0{}', 'latin1')],
    ['a header of 2^64 - 1 bytes', 'too-large', Buffer.alloc(16, 0xff)],
    ['an empty header', 'magic', file('')],
    ['white space before the header', 'magic', file(' {}')],
    ['a byte order mark', 'magic', file('\ufeff{}')],
    ['an array for a header', 'magic', file('[]')],
    ['bad UTF-8', 'utf8', file(Buffer.from('{"\xff":1}', 'latin1'))],
    ['half a surrogate pair', 'utf8', file(`{"\\ud800":${u8(0, 2)}}`, 2)],
    ['no end', 'syntax', file('{')],
    ['an open string', 'syntax', file('{"x')],
    ['an escaped end', 'syntax', file('{"x\\')],
    ['text after the header', 'syntax', file('{}x')],
    ['a zero after the header', 'syntax', file('{}\0')],
    ['a comma too many', 'syntax', file(`{"x":${u8(0, 2)},}`, 2)],
    ['a line break in a name', 'syntax', file(`{"a\nb":${u8(0, 2)}}`, 2)],
    ['a bad escape', 'syntax', file(`{"\\x":${u8(0, 2)}}`, 2)],
    ['a number for a tensor', 'syntax', file('{"x":1}')],
    ['deep JSON', 'syntax', file(x(`"y":${'['.repeat(1e6)}`))],
    ['a bad value in an unknown field', 'syntax', file(x('"y":01'))],
    ['NaN in an unknown field', 'syntax', file(x('"y":NaN'))],
    ['a name twice', 'duplicate-key', file(`{"x":${u8(0, 2)},"x":${u8(0, 2)}}`, 2)],
    ['a name twice, once escaped', 'duplicate-key', file(`{"x":${u8(0, 2)},"\\u0078":${u8(2, 4)}}`, 4)],
    ['a field twice', 'duplicate-key', file(x('"dtype":"U8","dtype":"U8","shape":[],"data_offsets":[0,1]'), 1)],
    ['metadata twice', 'duplicate-key', file('{"__metadata__":{},"__metadata__":{}}')],
    ['a metadata key twice', 'duplicate-key', file('{"__metadata__":{"a":"1","a":"1"}}')],
    ['a number in the metadata', 'metadata', file('{"__metadata__":{"a":1}}')],
    ['an object in the metadata', 'metadata', file('{"__metadata__":{"a":{}}}')],
    ['a list for metadata', 'metadata', file('{"__metadata__":[]}')],
    ['null for metadata', 'metadata', file('{"__metadata__":null}')],
    ['no dtype', 'missing-field', file(x('"shape":[2],"data_offsets":[0,2]'), 2)],
    ['no shape', 'missing-field', file(x('"dtype":"U8","data_offsets":[0,2]'), 2)],
    ['no offsets', 'missing-field', file(x('"dtype":"U8","shape":[2]'), 2)],
    [
      'six bits that end within a byte',
      'size-mismatch',
      file(x('"dtype":"F6_E2M3","shape":[3],"data_offsets":[0,3]'), 3),
    ],
    ['too little for six bits', 'size-mismatch', file(x('"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,2]'), 2)],
    [
      'a newer dtype, overlapping',
      'offsets',
      file(`{"x":${u8(0, 2)},"y":{"dtype":"F3_X","shape":[9],"data_offsets":[1,3]}}`, 3),
    ],
    ['an unknown dtype', 'dtype', file(x('"dtype":"f32","shape":[],"data_offsets":[0,4]'), 4)],
    ['a dtype from the prototype', 'dtype', file(x('"dtype":"toString","shape":[],"data_offsets":[0,4]'), 4)],
    ['a number for a dtype', 'dtype', file(x('"dtype":1,"shape":[],"data_offsets":[0,4]'), 4)],
    ['NaN in a shape', 'shape', file(shaped('[NaN]'), 2)],
    ['null in a shape', 'shape', file(shaped('[null]'), 2)],
    ['a text in a shape', 'shape', file(shaped('["2"]'), 2)],
    ['a negative dimension', 'shape', file(shaped('[-2]'), 2)],
    ['minus zero', 'shape', file(shaped('[-0]'), 2)],
    ['a fraction', 'shape', file(shaped('[2.0]'), 2)],
    ['an exponent', 'shape', file(shaped('[2e0]'), 2)],
    ['a leading zero', 'shape', file(shaped('[02]'), 2)],
    ['a number for a shape', 'shape', file(shaped('2'), 2)],
    ['a dimension above 2^53', 'overflow', file(shaped(`[${huge}]`), 2)],
    ['a product above 2^53', 'overflow', file(shaped('[4294967296,4294967296]'), 2)],
    ['a product of 2^64, that is 0 in 64 bits', 'overflow', file(shaped('[4294967296,4294967296,1]'), 2)],
    ['a digit string of 1 MB', 'overflow', file(shaped(`[${'9'.repeat(1e6)}]`), 2)],
    ['one offset', 'offsets', file(x('"dtype":"U8","shape":[2],"data_offsets":[0]'), 2)],
    ['three offsets', 'offsets', file(x('"dtype":"U8","shape":[2],"data_offsets":[0,2,2]'), 2)],
    ['a negative offset', 'offsets', file(`{"x":${u8(-2, 0)}}`, 2)],
    ['an offset above 2^53', 'overflow', file(`{"x":${u8(0, huge)}}`, 2)],
    ['an end before its begin', 'offsets', file(`{"x":${u8(0, 2)},"y":${u8(2, 0)}}`, 2)],
    ['a hole at the start', 'offsets', file(`{"x":${u8(1, 3)}}`, 3)],
    ['a hole', 'offsets', file(`{"x":${u8(0, 2)},"y":${u8(3, 5)}}`, 5)],
    ['the same bytes twice', 'offsets', file(`{"x":${u8(0, 2)},"y":${u8(0, 2)}}`, 2)],
    ['an overlap', 'offsets', file(`{"x":${u8(0, 2)},"y":${u8(1, 3)}}`, 3)],
    ['less data than the shape', 'size-mismatch', file(`{"x":${u8(0, 1)}}`, 1)],
    ['more data than the shape', 'size-mismatch', file(`{"x":${u8(0, 3)}}`, 3)],
    ['data cut off', 'truncated', file(`{"x":${u8(0, 2)}}`, 1)],
    ['data left over', 'trailing-data', file(`{"x":${u8(0, 2)}}`, 3)],
    ['data without tensors', 'trailing-data', file('{}', 1)],
  ])('%s: %s', (_, code, bytes) => {
    expect(codeOf(bytes)).toBe(code);
  });

  it('names the tensor, the byte and the way out', () => {
    expect(() => parseSafetensors(file(`{"x":${u8(0, 2)},"y":{"dtype":"f8"}}`))).toThrow(
      expect.objectContaining({
        name: 'FormatError',
        format: 'safetensors',
        tensor: 'y',
        byteOffset: 74,
        message: expect.stringContaining('tensor "y": the element type "f8" is not supported; known are BOOL'),
      }),
    );
  });

  it('lets pass what is unusual but valid', () => {
    const accepted = (bytes: Uint8Array) => parseSafetensors(bytes).tensors.size;
    expect(accepted(file('{}'))).toBe(0);
    expect(accepted(file('{} \n\t\r '))).toBe(0);
    expect(accepted(file(`{ "" : ${u8(0, 2)} }`, 2))).toBe(1);
    expect(accepted(file(x('"new":[{"a":-1e-3},null],"dtype":"U8","shape":[2],"data_offsets":[0,2]'), 2))).toBe(1);
    const empty = '{"dtype":"U8","shape":[0,9007199254740991],"data_offsets":[0,0]}';
    expect(accepted(file(`{"x":${u8(0, 2)},"b":${empty},"a":${empty}}`, 2))).toBe(3);
  });
});

describe('fuzzing', () => {
  const u8 = '"\\u0061":{"dtype":"U8","shape":[2,1],"data_offsets":[24,26]}';
  const header = `{"__metadata__":{"é":"\\n"},"w":{"data_offsets":[0,24],"shape":[2,3],"dtype":"F32","x":[-1.5,null]}, ${u8}} `;
  const data = new Uint8Array(26);
  const valid = file(header, data);

  it('starts from a valid file', () => {
    expect([...parseSafetensors(valid).tensors.keys()]).toEqual(['w', 'a']);
  });

  it('any bytes changed, any cut: a FormatError or a file', () => {
    const changes = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(changes, fc.option(fc.nat(valid.length)), (list, cut) => {
        const bytes = Uint8Array.from(valid).slice(0, cut ?? undefined);
        for (const [position, value] of list) bytes[position] = value;
        expect(() => codeOf(bytes)).not.toThrow();
      }),
      { numRuns: 2000 },
    );
  });

  it('any piece of the header replaced by a hostile one', () => {
    const piece = fc.constantFrom(' ', ...'{ } [ ] , : " \\ - 0 1e9 null "a":{} \\u0000'.split(' '));
    const edit = fc.tuple(fc.nat(header.length), fc.nat(12), piece);
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        let text = header;
        for (const [start, length, put] of edits) text = text.slice(0, start) + put + text.slice(start + length);
        expect(() => codeOf(file(text, data))).not.toThrow();
      }),
      { numRuns: 2000 },
    );
  });

  it('arbitrary bytes and arbitrary JSON', () => {
    const json = fc.tuple(fc.json(), fc.nat(8)).map(([text, size]) => file(text, size));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), json), (bytes) => {
        expect(() => codeOf(bytes)).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });
});

/** The code of the FormatError, undefined for a valid file; any other error passes through and fails the test. */
function codeOf(bytes: Uint8Array): string | undefined {
  try {
    parseSafetensors(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
}

/** A file with this header, and data, or as many zeros. */
function file(header: string | Uint8Array, data: Uint8Array | number = 0): Uint8Array {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, typeof data === 'number' ? Buffer.alloc(data) : data]);
}
