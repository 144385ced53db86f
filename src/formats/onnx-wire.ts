// The messages of an ONNX file as a table, and protobuf's bytes read and written by it: every field checked for its number, its wire
// type and its length, nothing deeper than a file of our own kind would be.
// Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

import { failFor, FormatError } from './format-error.ts';

export const fail = failFor('onnx');

/**
 * How a field travels. `int`: a varint of 64 bits with a sign, a number where it is exact, else a bigint. `floats` and `doubles`: the
 * bytes of 32 or 64 bits each, packed or not, as they lie. Other names are messages.
 */
type Kind = 'int' | 'uint' | 'floats' | 'doubles' | 'string' | 'bytes' | MessageName;

interface Field {
  readonly name: string;
  readonly kind: Kind;
  readonly repeated: boolean;
}

/** `name: [number, kind]`; a kind in brackets may come several times. */
const messages = {
  Model: {
    irVersion: [1, 'int'],
    producerName: [2, 'string'],
    producerVersion: [3, 'string'],
    domain: [4, 'string'],
    modelVersion: [5, 'int'],
    doc: [6, 'string'],
    graph: [7, 'Graph'],
    opsets: [8, ['Opset']],
    metadata: [14, ['Entry']],
    functions: [25, ['bytes']],
  },
  Opset: { domain: [1, 'string'], version: [2, 'int'] },
  Entry: { key: [1, 'string'], value: [2, 'string'] },
  Graph: {
    nodes: [1, ['Node']],
    name: [2, 'string'],
    initializers: [5, ['Tensor']],
    doc: [10, 'string'],
    inputs: [11, ['Value']],
    outputs: [12, ['Value']],
    values: [13, ['Value']],
    sparse: [15, ['bytes']],
  },
  Node: {
    inputs: [1, ['string']],
    outputs: [2, ['string']],
    name: [3, 'string'],
    opType: [4, 'string'],
    attributes: [5, ['Attribute']],
    doc: [6, 'string'],
    domain: [7, 'string'],
    overload: [8, 'string'],
  },
  Attribute: {
    name: [1, 'string'],
    f: [2, 'floats'],
    i: [3, 'int'],
    s: [4, 'bytes'],
    t: [5, 'Tensor'],
    g: [6, 'Graph'],
    floats: [7, ['floats']],
    ints: [8, ['int']],
    strings: [9, ['bytes']],
    tensors: [10, ['Tensor']],
    graphs: [11, ['Graph']],
    type: [20, 'int'],
    reference: [21, 'string'],
  },
  Tensor: {
    dims: [1, ['int']],
    dataType: [2, 'int'],
    segment: [3, 'bytes'],
    floatData: [4, ['floats']],
    int32Data: [5, ['int']],
    stringData: [6, ['bytes']],
    int64Data: [7, ['int']],
    name: [8, 'string'],
    raw: [9, 'bytes'],
    doubleData: [10, ['doubles']],
    uint64Data: [11, ['uint']],
    external: [13, ['Entry']],
    location: [14, 'int'],
  },
  Value: { name: [1, 'string'], type: [2, 'Type'], doc: [3, 'string'] },
  Type: {
    tensor: [1, 'TensorType'],
    sequence: [4, 'bytes'],
    map: [5, 'bytes'],
    denotation: [6, 'string'],
    sparse: [8, 'bytes'],
    optional: [9, 'bytes'],
  },
  TensorType: { elementType: [1, 'int'], shape: [2, 'Shape'] },
  Shape: { dims: [1, ['Dim']] },
  Dim: { value: [1, 'int'], param: [2, 'string'], denotation: [3, 'string'] },
} as const;

export type MessageName = keyof typeof messages;

/** One value of a field. */
export type Value = number | bigint | string | Uint8Array | Fields;
/** A message: the values of each of its fields that is there, in the order of the file. */
export interface Fields {
  readonly [name: string]: readonly Value[];
}

interface Table {
  readonly byNumber: ReadonlyMap<number, Field>;
  readonly byName: ReadonlyMap<string, Field & { number: number }>;
}

const tables = new Map<MessageName, Table>();
for (const [message, fields] of Object.entries(messages)) {
  const byNumber = new Map<number, Field>();
  const byName = new Map<string, Field & { number: number }>();
  for (const [name, [number, kind]] of Object.entries(fields) as [string, [number, Kind | [Kind]]][]) {
    const repeated = Array.isArray(kind);
    const field = { name, kind: repeated ? kind[0] : kind, repeated };
    byNumber.set(number, field);
    byName.set(name, { ...field, number });
  }
  tables.set(message as MessageName, { byNumber, byName });
}

/** Numbers in one list that is not raw bytes: more would not fit into an array. */
const mostNumbers = 2 ** 26;
/** Nodes, constants, texts: a file of 2 GiB could have so many empty ones that no memory holds them. */
const mostOthers = 2 ** 20;

/** Graphs in attributes of nodes in graphs: each such level is three messages. */
const deepest = 100;

/**
 * The fields of a message. Views of `bytes`, not copies; fields that are not in the table are passed over.
 * @param at where in the file the bytes begin, for errors
 * @throws {FormatError} for bytes that are no such message.
 */
export function decode(message: MessageName, bytes: Uint8Array, at = 0, depth = 0): Fields {
  if (depth > deepest)
    throw fail('too-large', `messages inside each other, more than ${deepest} deep`, { byteOffset: at });
  const { byNumber } = tables.get(message)!;
  const fields: Record<string, Value[]> = Object.create(null) as Record<string, Value[]>;
  const reader: Source = { bytes, proto: new BinaryReader(bytes) };
  while (reader.proto.pos < bytes.length) {
    const start = reader.proto.pos;
    const where = { byteOffset: at + start };
    const [number, wire] = guarded(message, where, () => reader.proto.tag());
    const field = byNumber.get(number);
    if (field === undefined) {
      skip(reader, wire, message, where);
      continue;
    }
    const { name, kind, repeated } = field;
    if (!repeated && name in fields) throw fail('duplicate-key', `${message}.${name} is there twice`, where);
    const values = (fields[name] ??= []);
    const most =
      kind === 'int' || kind === 'uint' || kind === 'floats' || kind === 'doubles' ? mostNumbers : mostOthers;
    if (values.length >= most) throw tooMany(`${message}.${name}`, where);
    const wrong = (): FormatError =>
      fail('syntax', `${message}.${name}: wire type ${wire} is not one of a field of this kind`, where);
    if (wire === WireType.LengthDelimited) {
      const body = lengthDelimited(reader, `${message}.${name}`, where);
      const offset = at + reader.proto.pos - body.length;
      if (kind === 'string') values.push(textOf(body, `${message}.${name}`, where));
      else if (kind === 'bytes') values.push(body);
      else if (kind === 'int' || kind === 'uint') {
        if (!repeated) throw wrong();
        const packed: Source = { bytes: body, proto: new BinaryReader(body) };
        while (packed.proto.pos < body.length) {
          if (values.length >= mostNumbers) throw tooMany(`${message}.${name}`, where);
          values.push(varint(packed, kind, `${message}.${name}`, where));
        }
      } else if (kind === 'floats' || kind === 'doubles') {
        if (!repeated) throw wrong();
        if (body.length % (kind === 'floats' ? 4 : 8) !== 0) {
          throw fail('syntax', `${message}.${name}: ${body.length} bytes are no whole number of elements`, where);
        }
        values.push(body);
      } else values.push(decode(kind, body, offset, depth + 1));
    } else if (wire === WireType.Varint && (kind === 'int' || kind === 'uint')) {
      values.push(varint(reader, kind, `${message}.${name}`, where));
    } else if ((wire === WireType.Bit32 && kind === 'floats') || (wire === WireType.Bit64 && kind === 'doubles')) {
      values.push(take(reader, kind === 'floats' ? 4 : 8, `${message}.${name}`, where));
    } else throw wrong();
  }
  return fields;
}

function tooMany(what: string, where: Where): FormatError {
  return fail('too-large', `${what} is there more often than is read`, where);
}

interface Where {
  byteOffset: number;
}

/** The bytes of a message, and how far they were read. */
interface Source {
  readonly bytes: Uint8Array;
  readonly proto: BinaryReader;
}

function guarded<T>(what: string, where: Where, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    const early = cause instanceof RangeError;
    throw fail(early ? 'truncated' : 'syntax', early ? `${what} ends too early` : `${what}: not a field of protobuf`, {
      help: 'is it an ONNX file, and all of it? copy or export it again',
      ...where,
      cause,
    });
  }
}

function varint(reader: Source, kind: 'int' | 'uint', what: string, where: Where): number | bigint {
  const value = guarded(what, where, () => BigInt(kind === 'int' ? reader.proto.int64() : reader.proto.uint64()));
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function lengthDelimited(reader: Source, what: string, where: Where): Uint8Array {
  return take(reader, Number(varint(reader, 'uint', what, where)), what, where);
}

function take(reader: Source, length: number, what: string, where: Where): Uint8Array {
  const { bytes, proto } = reader;
  if (length > bytes.length - proto.pos) {
    throw fail('truncated', `${what} has ${length} bytes, of which ${bytes.length - proto.pos} are there`, where);
  }
  const body = bytes.subarray(proto.pos, proto.pos + length);
  proto.pos += length;
  return body;
}

function skip(reader: Source, wire: WireType, what: string, where: Where): void {
  if (wire === WireType.Varint) varint(reader, 'uint', what, where);
  else if (wire === WireType.LengthDelimited) lengthDelimited(reader, what, where);
  else if (wire === WireType.Bit32 || wire === WireType.Bit64)
    take(reader, wire === WireType.Bit32 ? 4 : 8, what, where);
  else throw fail('syntax', `${what}: groups do not occur in ONNX files`, where);
}

/** A text that a message has once, `''` where it is not there. */
export function textIn(fields: Fields, name: string): string {
  return (fields[name]?.[0] ?? '') as string;
}

/** An integer that a message has once, 0 where it is not there. @throws {FormatError} `overflow` beyond 2^53. */
export function integerIn(fields: Fields, name: string): number {
  const value = (fields[name]?.[0] ?? 0) as number | bigint;
  if (typeof value === 'bigint') throw fail('overflow', `${name}: ${value} is beyond 2^53`);
  return value;
}

/** The messages of a repeated field. */
export function messagesIn(fields: Fields, name: string): readonly Fields[] {
  return (fields[name] ?? []) as readonly Fields[];
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array, what: string, where: Where): string {
  const text = strictText(bytes);
  if (text === undefined) throw fail('utf8', `${what} is not valid UTF-8`, where);
  return text;
}

/** The text of bytes; undefined where they are not UTF-8. */
export function strictText(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes to be written one piece after the other: large data are the given arrays themselves. */
interface Pieces {
  readonly list: Uint8Array[];
  readonly length: number;
}

/** The bytes of a message, in pieces. Fields without values are left out. */
export function encode(message: MessageName, fields: Fields): Pieces {
  const { byName } = tables.get(message)!;
  const list: Uint8Array[] = [];
  let length = 0;
  const put = (piece: Uint8Array): void => {
    list.push(piece);
    length += piece.length;
  };
  let writer = new BinaryWriter();
  const flush = (): void => {
    const written = writer.finish();
    if (written.length > 0) put(written);
    writer = new BinaryWriter();
  };
  for (const [name, values] of Object.entries(fields)) {
    const { number, kind, repeated } = byName.get(name)!;
    if (values.length === 0) continue;
    if (repeated && (kind === 'int' || kind === 'uint')) {
      writer.tag(number, WireType.LengthDelimited).fork();
      for (const value of values) writer.int64(value as bigint);
      writer.join();
      continue;
    }
    for (const value of values) {
      if (kind === 'int' || kind === 'uint') writer.tag(number, WireType.Varint).int64(value as bigint);
      else if (kind === 'string') writer.tag(number, WireType.LengthDelimited).string(value as string);
      else if (kind === 'floats' && !repeated) writer.tag(number, WireType.Bit32).raw(value as Uint8Array);
      else if (value instanceof Uint8Array) {
        writer.tag(number, WireType.LengthDelimited).uint32(value.length);
        if (value.length < 1024) writer.raw(value);
        else {
          flush();
          put(value);
        }
      } else {
        const inner = encode(kind as MessageName, value as Fields);
        writer.tag(number, WireType.LengthDelimited).uint32(inner.length);
        flush();
        inner.list.forEach(put);
      }
    }
  }
  flush();
  return { list, length };
}
