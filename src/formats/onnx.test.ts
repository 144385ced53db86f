// ONNX files: round trips, the places where values may lie, external data, and a table of hostile files with the code of each.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { FormatError, onnxModelBytes, parseOnnx, readOnnxFile, serializeOnnx, writeOnnxFile } from './index.ts';
import type { OnnxGraph, OnnxModel, OnnxTensor } from './index.ts';

const { Varint, LengthDelimited, Bit32, StartGroup } = WireType;

const f32 = (name: string, dims: number[], values: number[]): OnnxTensor => {
  return { name, dtype: 'float32', dims, data: new Uint8Array(Float32Array.from(values).buffer) };
};

function modelOf(graph: Partial<OnnxGraph>): OnnxModel {
  return {
    irVersion: 8,
    opsets: [{ domain: '', version: 17 }],
    metadata: {},
    graph: { name: 'g', nodes: [], initializers: [], inputs: [], outputs: [], ...graph },
  };
}

const branch: OnnxGraph = {
  name: 'branch',
  nodes: [{ opType: 'Identity', name: '', inputs: ['x'], outputs: ['o'], attributes: {} }],
  initializers: [],
  inputs: [],
  outputs: [{ name: 'o' }],
  values: [],
};

const full: OnnxModel = {
  irVersion: 8,
  producerName: 'retort',
  producerVersion: '1',
  doc: 'all there is',
  opsets: [
    { domain: '', version: 17 },
    { domain: 'com.microsoft', version: 1 },
  ],
  metadata: { classes: '["a","b"]', __proto__x: '' },
  graph: {
    name: 'g',
    nodes: [
      {
        opType: 'Everything',
        name: '/a/Everything',
        domain: 'com.microsoft',
        inputs: ['x', '', 'w'],
        outputs: ['y'],
        attributes: {
          f: { type: 'float', value: 0.5 },
          zero: { type: 'int', value: 0 },
          i: { type: 'int', value: -3 },
          long: { type: 'int', value: -(2n ** 63n) },
          s: { type: 'string', value: 'größe' },
          b: { type: 'bytes', value: Buffer.from([255, 1]) },
          t: { type: 'tensor', value: f32('', [2], [1, 2]) },
          g: { type: 'graph', value: branch },
          fs: { type: 'floats', value: [1, 2.5] },
          is: { type: 'ints', value: [1, -1, 2 ** 40] },
          none: { type: 'ints', value: [] },
          ss: { type: 'strings', value: ['a', ''] },
          ts: { type: 'tensors', value: [f32('', [], [1])] },
          gs: { type: 'graphs', value: [branch] },
        },
      },
    ],
    initializers: [
      f32('w', [2, 3], [1, 2, 3, 4, 5, 6]),
      { name: 'half', dtype: 'float16', dims: [1], data: new Uint8Array(2) },
      { name: 'four', dtype: 'int4', dims: [3], data: new Uint8Array(2) },
      { name: 'texts', dtype: 'string', dims: [2], data: new Uint8Array(), strings: ['a', 'bé'] },
    ],
    inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 3, undefined] }],
    outputs: [{ name: 'y', dtype: undefined, shape: undefined }],
    values: [{ name: 'between', dtype: 'int64', shape: [] }],
  },
};

describe('round trips', () => {
  it('keeps all there is', () => {
    const read = parseOnnx(onnxModelBytes(full));
    expect(JSON.parse(JSON.stringify(read, plain))).toEqual(JSON.parse(JSON.stringify(full, plain)));
  });

  it('gives views of the bytes, and large data go as they are', () => {
    const data = new Uint8Array(4096);
    const pieces = serializeOnnx(modelOf({ initializers: [{ name: 'w', dtype: 'uint8', dims: [4096], data }] }));
    expect(pieces).toContain(data);
    const bytes = Buffer.concat(pieces);
    expect(parseOnnx(bytes).graph.initializers[0]!.data.buffer).toBe(bytes.buffer);
  });

  it('reads values from every place of a tensor', () => {
    const at = (fields: (writer: BinaryWriter) => void): unknown => {
      const { data } = parseOnnx(withTensor(fields)).graph.initializers[0]!;
      return [...data];
    };
    const bytes = (view: ArrayBufferView): number[] => [...new Uint8Array(view.buffer)];
    const two = (writer: BinaryWriter, type: number): BinaryWriter =>
      writer.tag(1, Varint).int64(2).tag(2, Varint).int32(type);
    const packed = (writer: BinaryWriter, field: number, write: (inner: BinaryWriter) => void): void => {
      writer.tag(field, LengthDelimited).fork();
      write(writer);
      writer.join();
    };
    expect(at((w) => packed(two(w, 1), 4, (f) => f.float(1.5).float(-2)))).toEqual(bytes(Float32Array.of(1.5, -2)));
    expect(at((w) => two(w, 1).tag(4, Bit32).float(1.5).tag(4, Bit32).float(-2))).toEqual(
      bytes(Float32Array.of(1.5, -2)),
    );
    expect(at((w) => packed(two(w, 11), 10, (f) => f.double(1).double(2)))).toEqual(bytes(Float64Array.of(1, 2)));
    expect(at((w) => packed(two(w, 7), 7, (f) => f.int64(-1).int64(5)))).toEqual(bytes(BigInt64Array.of(-1n, 5n)));
    expect(at((w) => packed(two(w, 3), 5, (f) => f.int32(-1).int32(5)))).toEqual(bytes(Int8Array.of(-1, 5)));
    expect(at((w) => packed(two(w, 10), 5, (f) => f.int32(15_872).int32(0)))).toEqual(bytes(Uint16Array.of(15_872, 0)));
    expect(at((w) => packed(two(w, 6), 5, (f) => f.int32(-7).int32(1)))).toEqual(bytes(Int32Array.of(-7, 1)));
    expect(at((w) => packed(two(w, 12), 11, (f) => f.uint64(2 ** 32 - 1).uint64(1)))).toEqual(
      bytes(Uint32Array.of(2 ** 32 - 1, 1)),
    );
  });
});

describe('external data', () => {
  let root = '';
  beforeAll(() => {
    root = mkdtempSync(path.join(tmpdir(), 'retort-onnx-'));
    mkdirSync(path.join(root, 'models/weights'), { recursive: true });
    writeFileSync(path.join(root, 'models/weights/w.bin'), Uint8Array.of(9, 9, 1, 2, 3));
    writeFileSync(path.join(root, 'secret'), Uint8Array.of(1, 2, 3));
    symlinkSync(path.join(root, 'secret'), path.join(root, 'models/link'));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  const external = (entries: Record<string, string>): Uint8Array =>
    withTensor((writer) => {
      writer.tag(1, Varint).int64(3).tag(2, Varint).int32(2).tag(14, Varint).int32(1);
      for (const [key, value] of Object.entries(entries))
        writer
          .tag(13, LengthDelimited)
          .fork()
          .tag(1, LengthDelimited)
          .string(key)
          .tag(2, LengthDelimited)
          .string(value)
          .join();
    });
  const read = (entries: Record<string, string>): OnnxModel => {
    const file = path.join(root, 'models/m.onnx');
    writeFileSync(file, external(entries));
    return readOnnxFile(file);
  };

  it('is read beside the file', () => {
    expect([...read({ location: 'weights/w.bin', offset: '2', length: '3' }).graph.initializers[0]!.data]).toEqual([
      1, 2, 3,
    ]);
    expect([...read({ location: 'weights/w.bin', offset: '2' }).graph.initializers[0]!.data]).toEqual([1, 2, 3]);
  });

  it('is never read elsewhere', () => {
    for (const location of ['../secret', 'weights/../../secret', path.join(root, 'secret'), 'link', 'weights\\..\\x']) {
      expect(() => read({ location }), location).toThrow(refusal('offsets', 'folder', 'm.onnx'));
    }
    expect(() => parseOnnx(external({ location: 'weights/w.bin' }))).toThrow(refusal('offsets', 'readOnnxFile'));
  });

  it('must be there, as long as it should be', () => {
    expect(() => read({ location: 'nothing' })).toThrow(refusal('not-found', 'nothing'));
    expect(() => read({ location: 'weights/w.bin', offset: '4', length: '3' })).toThrow(refusal('truncated', 'w'));
    expect(() => read({ location: 'weights/w.bin', offset: '6' })).toThrow(refusal('truncated', 'w'));
    expect(() => read({ location: 'weights/w.bin', offset: '0' })).toThrow(refusal('size-mismatch', '[3]', '5'));
    expect(() => read({ location: 'weights/w.bin', offset: '-1' })).toThrow(refusal('offsets', 'offset', '-1'));
    expect(() => read({ location: '' })).toThrow(refusal('missing-field', 'location'));
  });
});

const node = (inputs: string[], outputs: string[]) => ({ opType: 'Add', name: 'n', inputs, outputs, attributes: {} });

describe('hostile files', () => {
  const raw = (write: (writer: BinaryWriter) => BinaryWriter): Uint8Array => write(new BinaryWriter()).finish();
  const head = (writer: BinaryWriter): BinaryWriter =>
    writer.tag(1, Varint).int64(8).tag(8, LengthDelimited).fork().tag(2, Varint).int64(17).join();
  const graph = (write: (writer: BinaryWriter) => void): Uint8Array =>
    raw((writer) => {
      head(writer).tag(7, LengthDelimited).fork();
      write(writer);
      return writer.join();
    });
  const deep = (levels: number): Uint8Array => {
    let inner: Uint8Array = new Uint8Array();
    for (let i = 0; i < levels; i++) {
      const attribute = raw((w) =>
        w.tag(1, LengthDelimited).string('g').tag(20, Varint).int32(5).tag(6, LengthDelimited).bytes(inner),
      );
      const around = raw((w) => w.tag(4, LengthDelimited).string('If').tag(5, LengthDelimited).bytes(attribute));
      inner = raw((w) => w.tag(1, LengthDelimited).bytes(around));
    }
    return raw((w) => head(w).tag(7, LengthDelimited).bytes(inner));
  };
  const dims = (...sizes: (number | bigint)[]): Uint8Array =>
    withTensor((w) => {
      for (const size of sizes) w.tag(1, Varint).int64(size);
      w.tag(2, Varint).int32(1).tag(9, LengthDelimited).bytes(new Uint8Array(4));
    });

  it.each<[string, string, Uint8Array]>([
    ['nothing', 'missing-field', new Uint8Array()],
    ['a text', 'syntax', Buffer.from('ONNX, or so they say')],
    ['no graph', 'missing-field', raw(head)],
    ['no version', 'missing-field', raw((w) => w.tag(7, LengthDelimited).bytes(new Uint8Array()))],
    [
      'no operator sets',
      'missing-field',
      raw((w) => w.tag(1, Varint).int64(8).tag(7, LengthDelimited).bytes(new Uint8Array())),
    ],
    [
      'a version of the future',
      'version',
      raw((w) => w.tag(1, Varint).int64(5000).tag(7, LengthDelimited).bytes(new Uint8Array())),
    ],
    ['a length beyond the file', 'truncated', Uint8Array.of(58, 100, 0)],
    ['a length of 2^32 and a little', 'truncated', Uint8Array.of(58, 0x81, 0x80, 0x80, 0x80, 0x10, 0)],
    ['a length of 2^64 - 1', 'truncated', Uint8Array.of(58, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1)],
    ['a varint without end', 'syntax', Uint8Array.of(8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255)],
    ['half a varint', 'truncated', Uint8Array.of(8, 255)],
    ['field number 0', 'syntax', Uint8Array.of(0, 0)],
    ['a group', 'syntax', raw((w) => w.tag(99, StartGroup))],
    ['a wrong wire type', 'syntax', raw((w) => w.tag(7, Varint).int64(1))],
    ['a text for a number', 'syntax', raw((w) => w.tag(1, LengthDelimited).string('8'))],
    [
      'two graphs',
      'duplicate-key',
      raw((w) => head(w).tag(7, LengthDelimited).bytes(new Uint8Array()).tag(7, LengthDelimited).uint32(0)),
    ],
    ['bad UTF-8', 'utf8', raw((w) => w.tag(2, LengthDelimited).bytes(Uint8Array.of(255)))],
    ['a node without operator', 'missing-field', graph((w) => w.tag(1, LengthDelimited).bytes(new Uint8Array()))],
    ['graphs 1000 deep', 'too-large', deep(1000)],
    ['a dimension of 2^63 - 1', 'shape', dims(2n ** 63n - 1n)],
    ['a dimension of -2^63', 'shape', dims(-(2n ** 63n))],
    ['a negative dimension', 'shape', dims(-1)],
    ['a product above 2^53', 'overflow', dims(2 ** 30, 2 ** 30)],
    ['too few bytes', 'size-mismatch', dims(2)],
    ['too many bytes', 'size-mismatch', dims(0)],
    ['an unknown type', 'dtype', withTensor((w) => w.tag(2, Varint).int32(99))],
    ['no type', 'dtype', withTensor((w) => w.tag(9, LengthDelimited).bytes(new Uint8Array(4)))],
    ['a half in float_data', 'dtype', withTensor((w) => w.tag(2, Varint).int32(10).tag(4, Bit32).float(1))],
    [
      'values in two places',
      'duplicate-key',
      withTensor((w) =>
        w.tag(2, Varint).int32(1).tag(9, LengthDelimited).bytes(new Uint8Array(4)).tag(4, Bit32).float(1),
      ),
    ],
    [
      'a broken list of floats',
      'syntax',
      withTensor((w) => w.tag(2, Varint).int32(1).tag(4, LengthDelimited).bytes(new Uint8Array(3))),
    ],
    ['an attribute without type', 'syntax', graph((w) => attribute(w, (a) => a.tag(3, Varint).int64(1)))],
    [
      'an attribute of a function',
      'syntax',
      graph((w) => attribute(w, (a) => a.tag(21, LengthDelimited).string('alpha'))),
    ],
  ])('%s: %s', (_, code, bytes) => {
    expect(() => parseOnnx(bytes)).toThrow(refusal(code as 'syntax'));
  });

  it('reads graphs inside each other, as deep as anyone writes them', () => {
    expect(parseOnnx(deep(20)).graph.nodes).toHaveLength(1);
  });

  it('is not kept busy by very many of anything', () => {
    const empty = raw((w) => w.tag(4, LengthDelimited).string('If').tag(5, LengthDelimited).bytes(attributeOfGraph()));
    const many = graph((w) => {
      for (let i = 0; i < 20_000; i++) {
        const output = raw((inner) => inner.tag(2, LengthDelimited).string(`v${i}`));
        w.tag(1, LengthDelimited).bytes(Buffer.concat([output, empty]));
      }
    });
    const start = performance.now();
    expect(parseOnnx(many).graph.nodes).toHaveLength(20_000);
    expect(performance.now() - start).toBeLessThan(5000);
    const tooMany = raw((w) => w.raw(Buffer.alloc(2 ** 21 + 2, Uint8Array.of(114, 0))));
    expect(() => parseOnnx(tooMany)).toThrow(refusal('too-large', 'metadata'));
  });

  it.each<[string, 'graph' | 'duplicate-key', Partial<OnnxGraph>, string]>([
    ['a value from nowhere', 'graph', { nodes: [node(['x'], ['y'])] }, 'nothing makes'],
    ['a node that takes what it makes', 'graph', { nodes: [node(['y'], ['y'])] }, 'y'],
    ['a circle of two', 'graph', { nodes: [node(['b'], ['a']), node(['a'], ['b'])] }, 'b'],
    ['a value made twice', 'duplicate-key', { nodes: [node([], ['y']), node([], ['y'])] }, 'y'],
    ['an input made again', 'duplicate-key', { inputs: [{ name: 'x' }], nodes: [node([], ['x'])] }, 'x'],
    ['two constants of one name', 'duplicate-key', { initializers: [f32('w', [], [1]), f32('w', [], [2])] }, 'w'],
    ['an output from nowhere', 'graph', { outputs: [{ name: 'y' }] }, 'y'],
    ['an output twice', 'duplicate-key', { nodes: [node([], ['y'])], outputs: [{ name: 'y' }, { name: 'y' }] }, 'y'],
  ])('%s', (_, code, parts, mention) => {
    const wrong = modelOf(parts);
    expect(() => serializeOnnx(wrong)).toThrow(refusal(code, mention));
    expect(() => parseOnnx(unchecked(parts))).toThrow(refusal(code, mention));
  });

  it('lets nothing out but a model or a FormatError, whatever is changed or cut', () => {
    const whole = onnxModelBytes(full);
    const damage = fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255), end: fc.nat(whole.length) });
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), fc.boolean(), (changes, cut) => {
        const bytes = Uint8Array.from(whole);
        for (const { at, byte } of changes) bytes[at] = byte;
        try {
          parseOnnx(cut ? bytes.subarray(0, changes[0]!.end) : bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 1500 },
    );
  });
});

it('is written whole or not at all, and refused above 2 GiB', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'retort-onnx-'));
  try {
    const file = path.join(folder, 'm.onnx');
    writeOnnxFile(file, full);
    expect(readOnnxFile(file).graph.nodes).toHaveLength(1);
    expect(() => readOnnxFile(path.join(folder, 'none.onnx'))).toThrow(refusal('not-found', 'none.onnx'));
  } finally {
    rmSync(folder, { recursive: true });
  }
  const large = { length: 2 ** 31, byteLength: 2 ** 31 } as Uint8Array;
  Object.setPrototypeOf(large, Uint8Array.prototype);
  Object.defineProperty(large, 'length', { value: 2 ** 31 });
  const tensor: OnnxTensor = { name: 'w', dtype: 'uint8', dims: [2 ** 31], data: large };
  expect(() => serializeOnnx(modelOf({ initializers: [tensor] }))).toThrow(refusal('too-large'));
});

/** As JSON, which compares without regard to prototypes and kinds of arrays of bytes. */
function plain(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer') {
    return (value as unknown as { data: number[] }).data;
  }
  return value instanceof Uint8Array ? [...value] : value;
}

function withTensor(write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, Varint).int64(8).tag(8, LengthDelimited).fork().tag(2, Varint).int64(17).join();
  writer.tag(7, LengthDelimited).fork().tag(5, LengthDelimited).fork().tag(8, LengthDelimited).string('w');
  write(writer);
  return writer.join().join().finish();
}

function attribute(writer: BinaryWriter, write: (writer: BinaryWriter) => void): void {
  writer
    .tag(1, LengthDelimited)
    .fork()
    .tag(4, LengthDelimited)
    .string('Add')
    .tag(5, LengthDelimited)
    .fork()
    .tag(1, LengthDelimited)
    .string('a');
  write(writer);
  writer.join().join();
}

/** An attribute with an empty graph. */
function attributeOfGraph(): Uint8Array {
  const writer = new BinaryWriter();
  return writer.tag(1, LengthDelimited).string('g').tag(20, Varint).int32(5).tag(6, LengthDelimited).uint32(0).finish();
}

/** The bytes of a graph that the writer itself refuses. */
function unchecked(parts: Partial<OnnxGraph>): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, Varint).int64(8).tag(8, LengthDelimited).fork().tag(2, Varint).int64(17).join();
  writer.tag(7, LengthDelimited).fork();
  for (const { opType, name, inputs, outputs } of parts.nodes ?? []) {
    writer.tag(1, LengthDelimited).fork().tag(3, LengthDelimited).string(name).tag(4, LengthDelimited).string(opType);
    for (const input of inputs) writer.tag(1, LengthDelimited).string(input);
    for (const output of outputs) writer.tag(2, LengthDelimited).string(output);
    writer.join();
  }
  for (const { name } of parts.initializers ?? []) {
    writer
      .tag(5, LengthDelimited)
      .fork()
      .tag(8, LengthDelimited)
      .string(name)
      .tag(2, Varint)
      .int32(1)
      .tag(9, LengthDelimited)
      .bytes(new Uint8Array(4))
      .join();
  }
  for (const { name } of parts.inputs ?? [])
    writer.tag(11, LengthDelimited).fork().tag(1, LengthDelimited).string(name).join();
  for (const { name } of parts.outputs ?? [])
    writer.tag(12, LengthDelimited).fork().tag(1, LengthDelimited).string(name).join();
  return writer.join().finish();
}
