// Tensors of ONNX files: their element types, and their values, which a file may keep in seven places, as little-endian bytes.

import { showShape } from '../check.ts';
import type { Fail } from './format-error.ts';
import { quote } from './format-error.ts';
import { fail as onnxFail, integerIn, messagesIn, strictText, textIn } from './onnx-wire.ts';
import type { Fields } from './onnx-wire.ts';
import { denseByteLength } from './shape.ts';

/** Numbers of the element types, and bits of an element; strings have no size. */
const dtypes = {
  float32: [1, 32],
  uint8: [2, 8],
  int8: [3, 8],
  uint16: [4, 16],
  int16: [5, 16],
  int32: [6, 32],
  int64: [7, 64],
  string: [8, 0],
  bool: [9, 8],
  float16: [10, 16],
  float64: [11, 64],
  uint32: [12, 32],
  uint64: [13, 64],
  complex64: [14, 64],
  complex128: [15, 128],
  bfloat16: [16, 16],
  float8e4m3fn: [17, 8],
  float8e4m3fnuz: [18, 8],
  float8e5m2: [19, 8],
  float8e5m2fnuz: [20, 8],
  uint4: [21, 4],
  int4: [22, 4],
  float4e2m1: [23, 4],
} as const;

/** The type of a tensor's elements in an ONNX file. */
export type OnnxDType = keyof typeof dtypes;

const names = new Map<number, OnnxDType>(Object.entries(dtypes).map(([name, [number]]) => [number, name as OnnxDType]));

/** A tensor of constants. */
export interface OnnxTensor {
  /** Empty in attributes. */
  readonly name: string;
  readonly dtype: OnnxDType;
  readonly dims: readonly number[];
  /** Little-endian, row-major; two elements a byte for the types of four bits. Empty for strings. */
  readonly data: Uint8Array;
  /** The elements of a tensor of strings. */
  readonly strings?: readonly string[];
}

/** The name of an element type's number. @throws {FormatError} `dtype` for one that is not known. */
export function dtypeOf(number: number, fail: Fail): OnnxDType {
  const name = names.get(number);
  if (name === undefined) throw fail('dtype', `unknown element type ${number}`);
  return name;
}

/** The number of an element type. @throws {FormatError} `dtype` for one that is not known. */
export function dtypeNumberOf(dtype: OnnxDType, fail: Fail): number {
  if (!Object.hasOwn(dtypes, dtype)) throw fail('dtype', `unknown element type ${quote(String(dtype))}`);
  return dtypes[dtype][0];
}

/** Bytes that the elements of a shape take. @throws {FormatError} for dimensions that are none, or too many elements. */
function onnxBytes(dtype: OnnxDType, dims: readonly number[], fail: Fail): number {
  const bits = dtypes[dtype][1];
  return bits % 8 === 0 ? denseByteLength(dims, bits / 8, fail) : Math.ceil(denseByteLength(dims, 1, fail) / 2);
}

/** Where data lie that are not in the file itself. */
export interface ExternalData {
  readonly location: string;
  readonly offset: number;
  /** Undefined: to the end of the file. */
  readonly length: number | undefined;
}

/** Reads the bytes of external data. */
export type ReadExternal = (external: ExternalData, fail: Fail) => Uint8Array;

/** @throws {FormatError} for a tensor whose values do not fit its type and shape, or are in two places. */
export function toTensor(fields: Fields, external: ReadExternal): OnnxTensor {
  const name = textIn(fields, 'name');
  const fail: Fail = (code, problem, options) => onnxFail(code, problem, { tensor: name, ...options });
  if (fields['segment'] !== undefined) throw fail('size-mismatch', 'it is a piece of a tensor, which is not read');
  const dtype = dtypeOf(integerIn(fields, 'dataType'), fail);
  const dims = ((fields['dims'] ?? []) as readonly (number | bigint)[]).map((dim) => {
    if (typeof dim === 'number' && dim >= 0) return dim;
    throw fail('shape', `a dimension must be an integer from 0 to 2^53 - 1, got ${dim}`);
  });
  const places = [
    'raw',
    'floatData',
    'int32Data',
    'stringData',
    'int64Data',
    'doubleData',
    'uint64Data',
    'external',
  ].filter((place) => (fields[place]?.length ?? 0) > 0);
  const filled = places.filter((place) => place !== 'raw' || (fields['raw']![0] as Uint8Array).length > 0);
  if (filled.length > 1) throw fail('duplicate-key', `it has values in ${filled.join(' and in ')}`);
  const place = filled[0];
  const expected = onnxBytes(dtype, dims, fail);
  if (dtype === 'string') {
    const strings = (fields['stringData'] ?? []).map((bytes) => {
      const text = strictText(bytes as Uint8Array);
      if (text === undefined) throw fail('utf8', 'a string is not valid UTF-8');
      return text;
    });
    const count = denseByteLength(dims, 1, fail);
    if (strings.length !== count)
      throw fail('size-mismatch', `strings of shape ${showShape(dims)} are ${count}, it has ${strings.length}`);
    return { name, dtype, dims, data: new Uint8Array(), strings };
  }
  const isExternal = fields['location']?.[0] === 1;
  if (isExternal !== (place === 'external')) {
    throw fail('missing-field', 'its data are said to be in another file, and are not, or the other way around');
  }
  const data = isExternal
    ? external(externalOf(messagesIn(fields, 'external'), fail), fail)
    : place === undefined
      ? new Uint8Array()
      : bytesIn(place, fields, { dtype, fail });
  if (data.length !== expected) {
    const problem = `${dtype} of shape ${showShape(dims)} takes ${expected} bytes, its data have ${data.length}`;
    throw fail('size-mismatch', problem);
  }
  return { name, dtype, dims, data };
}

function externalOf(entries: readonly Fields[], fail: Fail): ExternalData {
  const given = new Map<string, string>();
  for (const entry of entries) {
    const key = textIn(entry, 'key');
    if (given.has(key)) throw fail('duplicate-key', `external data: ${quote(key)} is there twice`);
    given.set(key, textIn(entry, 'value'));
  }
  const location = given.get('location');
  if (location === undefined || location === '') throw fail('missing-field', 'external data without a location');
  const number = (key: string): number | undefined => {
    const text = given.get(key);
    if (text === undefined) return undefined;
    if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text))) {
      throw fail('offsets', `external data: ${key}: expected an integer of at least 0, got ${quote(text)}`);
    }
    return Number(text);
  };
  return { location, offset: number('offset') ?? 0, length: number('length') };
}

/** Which fields a type's values may stand in, besides `raw`. */
const homes: Readonly<Record<string, readonly OnnxDType[]>> = {
  floatData: ['float32', 'complex64'],
  doubleData: ['float64', 'complex128'],
  int64Data: ['int64'],
  uint64Data: ['uint64', 'uint32'],
};

function bytesIn(place: string, fields: Fields, { dtype, fail }: { dtype: OnnxDType; fail: Fail }): Uint8Array {
  const values = fields[place]!;
  if (place === 'raw') return values[0] as Uint8Array;
  const home = homes[place];
  const wide = ['float32', 'float64', 'int64', 'uint64', 'uint32', 'complex64', 'complex128', 'string'];
  if (home === undefined ? place !== 'int32Data' || wide.includes(dtype) : !home.includes(dtype)) {
    throw fail('dtype', `${dtype} cannot be in ${place}`);
  }
  if (place === 'floatData' || place === 'doubleData') return joined(values as readonly Uint8Array[]);
  const [, bits] = dtypes[dtype];
  const width = Math.max(8, bits) / 8;
  const bytes = new Uint8Array(values.length * width);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    const at = i * width;
    if (width === 8) view.setBigInt64(at, BigInt(value as number), true);
    else if (width === 4) view.setInt32(at, Number(value), true);
    else if (width === 2) view.setInt16(at, Number(value), true);
    else view.setInt8(at, Number(value));
  });
  return bytes;
}

/** Several pieces as one; one piece as it is. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** @throws {FormatError} for a tensor whose data do not fit its type and shape. */
export function fromTensor(tensor: OnnxTensor): Fields {
  const { name, dtype, dims, data, strings } = tensor;
  const fail: Fail = (code, problem, options) => onnxFail(code, problem, { tensor: name, ...options });
  const dataType = dtypeNumberOf(dtype, fail);
  const common = { dims, dataType: [dataType], ...(name === '' ? {} : { name: [name] }) };
  const expected = onnxBytes(dtype, dims, fail);
  if (dtype === 'string') {
    const count = denseByteLength(dims, 1, fail);
    if (strings?.length !== count)
      throw fail('size-mismatch', `strings of shape ${showShape(dims)} are ${count}, it has ${strings?.length ?? 0}`);
    return { ...common, stringData: strings.map((text) => Buffer.from(text)) };
  }
  if (data.length !== expected) {
    throw fail(
      'size-mismatch',
      `${dtype} of shape ${showShape(dims)} takes ${expected} bytes, its data have ${data.length}`,
    );
  }
  return { ...common, raw: [data] };
}
