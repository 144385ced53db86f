// Golden bytes of the reference library (safetensors 0.8.0), round trips, files, and what the writer refuses.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { RetortError } from '../errors.ts';
import {
  parseSafetensors,
  readSafetensorsFile,
  type SafetensorsDType,
  serializeSafetensors,
  type TensorRecord,
  writeFileAtomicSync,
} from './index.ts';
import { itemBits } from './safetensors-header.ts';

/** `safetensors.numpy.save({...}, {'framework': 'é'})` of the tensors below. */
const golden = base64(
  'cAIAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmcmFtZXdvcmsiOiLDqSJ9LCJpIjp7ImR0eXBlIjoiSTY0Iiwic2hhcGUiOlsxXSwiZGF0YV9vZm',
  'ZzZXRzIjpbMCw4XX0sImEiOnsiZHR5cGUiOiJGNjQiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOls4LDI0XX0sImIud2VpZ2h0Ijp7ImR0',
  'eXBlIjoiRjMyIiwic2hhcGUiOlsyLDNdLCJkYXRhX29mZnNldHMiOlsyNCw0OF19LCJxdW90ZVwiIFxcIFxu4oCow6kiOnsiZHR5cGUiOiJJMz',
  'IiLCJzaGFwZSI6WzAsNF0sImRhdGFfb2Zmc2V0cyI6WzQ4LDQ4XX0sImgiOnsiZHR5cGUiOiJGMTYiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNl',
  'dHMiOls0OCw1Ml19LCJfX3Byb3RvX18iOnsiZHR5cGUiOiJVMTYiLCJzaGFwZSI6W10sImRhdGFfb2Zmc2V0cyI6WzUyLDU0XX0sIu+9niI6ey',
  'JkdHlwZSI6Ikk4Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbNTQsNTVdfSwi8J+YgCI6eyJkdHlwZSI6Ikk4Iiwic2hhcGUiOlsxXSwi',
  'ZGF0YV9vZmZzZXRzIjpbNTUsNTZdfSwidSI6eyJkdHlwZSI6IlU4Iiwic2hhcGUiOlszXSwiZGF0YV9vZmZzZXRzIjpbNTYsNTldfSwibWFzay',
  'I6eyJkdHlwZSI6IkJPT0wiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOls1OSw2MV19fSD//////////wAAAAAAAPg/AAAAAAAAAMAAAAAA',
  'AACAPwAAAEAAAEBAAACAQAAAoEAAPABABwABAgEC/wEA',
);

const goldenTensors = new Map<string, TensorRecord>([
  ['b.weight', { dtype: 'F32', shape: [2, 3], data: bytesOf(Float32Array.of(0, 1, 2, 3, 4, 5)) }],
  ['a', { dtype: 'F64', shape: [2], data: bytesOf(Float64Array.of(1.5, -2)) }],
  ['u', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 255) }],
  ['i', { dtype: 'I64', shape: [1], data: bytesOf(BigInt64Array.of(-1n)) }],
  ['h', { dtype: 'F16', shape: [2], data: bytesOf(Uint16Array.of(0x3c00, 0x4000)) }],
  ['mask', { dtype: 'BOOL', shape: [2], data: Uint8Array.of(1, 0) }],
  ['__proto__', { dtype: 'U16', shape: [], data: Uint8Array.of(7, 0) }],
  ['\uff5e', { dtype: 'I8', shape: [1], data: Uint8Array.of(1) }],
  ['\u{1f600}', { dtype: 'I8', shape: [1], data: Uint8Array.of(2) }],
  ['quote" \\ \n\u2028é', { dtype: 'I32', shape: [0, 4], data: new Uint8Array() }],
]);

describe('the reference library', () => {
  it('writes what we read', () => {
    const { tensors, metadata } = parseSafetensors(golden);
    expect(tensors).toEqual(goldenTensors);
    expect(metadata).toEqual({ framework: 'é' });
  });

  it('writes the bytes we write', () => {
    expect(Buffer.concat(serializeSafetensors(goldenTensors, { framework: 'é' }))).toEqual(Buffer.from(golden));
  });
});

describe('round trip', () => {
  const dtype = fc.constantFrom(...(Object.keys(itemBits) as SafetensorsDType[]));
  // A last dimension of 4 or 8 makes elements of half a byte or of six bits fill whole bytes.
  const record = fc.tuple(dtype, fc.array(fc.nat(4), { maxLength: 4 }), fc.nat(255)).map(([dtype, sizes, fill]) => {
    const shape = itemBits[dtype] < 8 ? [...sizes, 4] : sizes;
    const data = new Uint8Array(shape.reduce((a, b) => a * b, itemBits[dtype]) / 8).fill(fill);
    return { dtype, shape, data };
  });
  const name = fc.string({ unit: 'binary' }).filter((text) => text !== '__metadata__');

  it('gives back every tensor and all metadata', () => {
    const files = fc.tuple(fc.array(fc.tuple(name, record)), fc.dictionary(fc.string({ unit: 'binary' }), fc.string()));
    fc.assert(
      fc.property(files, ([entries, metadata]) => {
        const tensors = new Map(entries);
        const file = Buffer.concat(serializeSafetensors(tensors, metadata));
        const back = parseSafetensors(file);
        expect(back.tensors).toEqual(tensors);
        expect({ ...back.metadata }).toEqual({ ...metadata });
        expect(Number(file.readBigUInt64LE()) % 8).toBe(0);
      }),
    );
  });

  it('copies nothing: chunks are the given arrays, parsed data are views', () => {
    const data = Uint8Array.of(1, 2, 3, 4);
    const chunks = serializeSafetensors(new Map([['x', { dtype: 'F32', shape: [], data }]]));
    expect(chunks[1]).toBe(data);
    const file = Buffer.concat(chunks);
    expect(parseSafetensors(file).tensors.get('x')!.data.buffer).toBe(file.buffer);
  });

  it('does not depend on the order of insertion', () => {
    const backwards = new Map([...goldenTensors].reverse());
    expect(serializeSafetensors(backwards, { b: '2', a: '1' })).toEqual(
      serializeSafetensors(goldenTensors, { a: '1', b: '2' }),
    );
  });
});

describe('element types', () => {
  it.each<[SafetensorsDType, number[], number]>([
    ['F4', [2, 4], 4],
    ['F6_E2M3', [4], 3],
    ['F6_E3M2', [2, 4], 6],
    ['F8_E8M0', [4], 4],
    ['F8_E4M3FNUZ', [4], 4],
    ['F8_E5M2FNUZ', [4], 4],
    ['C64', [1], 8],
  ])('%s of shape %j takes %i bytes', (dtype, shape, bytes) => {
    const tensors = new Map([['x', { dtype, shape, data: new Uint8Array(bytes).fill(7) }]]);
    expect(parseSafetensors(Buffer.concat(serializeSafetensors(tensors))).tensors).toEqual(tensors);
  });

  it('that are newer than the reader are named, and the rest is read', () => {
    const header = JSON.stringify({
      w: { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
      scale: { dtype: 'F3_X', shape: [5], data_offsets: [4, 6] },
    });
    const length = Buffer.alloc(8);
    length.writeUInt32LE(header.length);
    const file = parseSafetensors(Buffer.concat([length, Buffer.from(header), Buffer.alloc(6)]));
    expect([...file.tensors.keys()]).toEqual(['w']);
    expect([...file.unknown]).toEqual([['scale', 'F3_X']]);
  });
});

describe('files', () => {
  it('are read tensor by tensor', () => {
    const file = path.join(temporaryFolder(), 'model.safetensors');
    writeFileAtomicSync(file, serializeSafetensors(goldenTensors));
    expect(readSafetensorsFile(file).tensors).toEqual(parseSafetensors(golden).tensors);
    expect(readSafetensorsFile(file).tensors.get('a')!.data.buffer.byteLength).toBe(16);
  });

  it('that are broken are named', () => {
    const file = path.join(temporaryFolder(), 'model.safetensors');
    fs.writeFileSync(file, golden.subarray(0, -1));
    expect(() => readSafetensorsFile(file)).toThrow(refusal('truncated', 'mask', '[59, 61]', 'safetensors'));
  });

  it('that cannot be read say why, and what is near', () => {
    const folder = temporaryFolder();
    fs.writeFileSync(path.join(folder, 'student.safetensors'), golden);
    const read = (name: string) => () => readSafetensorsFile(path.join(folder, name));
    expect(read('studnet.safetensors')).toThrow(refusal('not-found', 'studnet.safetensors', 'student.safetensors'));
    expect(read('no/student.safetensors')).toThrow(refusal('not-found', 'no', 'mkdir -p'));
    expect(read('.')).toThrow(refusal('file-system', 'folder'));
    expect(() => readSafetensorsFile('/dev/null')).toThrow(refusal('file-system', '/dev/null', 'regular file'));
    expect(read('x')).toThrow(RetortError);
  });
});

describe('the writer refuses', () => {
  const one = (record: Partial<TensorRecord>, name = 'x') => {
    return new Map([[name, { dtype: 'U8', shape: [2], data: new Uint8Array(2), ...record } as TensorRecord]]);
  };

  it.each<[string, string, Map<string, TensorRecord>, Record<string, string>?]>([
    ['data of another size', 'size-mismatch', one({ shape: [3] })],
    ['a negative dimension', 'shape', one({ shape: [-1, -2] })],
    ['a fraction', 'shape', one({ shape: [0.5, 4] })],
    ['NaN', 'shape', one({ shape: [Number.NaN] })],
    ['a product above 2^53', 'overflow', one({ shape: [2 ** 30, 2 ** 30] })],
    ['an unknown dtype', 'dtype', one({ dtype: 'F80' as SafetensorsDType })],
    ['the reserved name', 'name', one({}, '__metadata__')],
    ['half a surrogate pair', 'utf8', one({}, '\ud800')],
    ['metadata that are no text', 'metadata', one({}), { epoch: 3 as unknown as string }],
    ['a header above 100 MB', 'too-large', one({}), { long: 'x'.repeat(1e8) }],
  ])('%s: %s', (_, code, tensors, metadata) => {
    expect(() => serializeSafetensors(tensors, metadata)).toThrow(
      expect.objectContaining({ name: 'FormatError', code }),
    );
  });
});

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function base64(...lines: string[]): Uint8Array {
  return new Uint8Array(Buffer.from(lines.join(''), 'base64'));
}

function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'retort-formats-'));
  onTestFinished(() => fs.rmSync(folder, { recursive: true }));
  return folder;
}
