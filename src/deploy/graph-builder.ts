// Builds an ONNX graph node by node: names that people recognize, constants kept once.
import type { OnnxAttribute, OnnxDType, OnnxNode, OnnxTensor } from '../formats/index.ts';
import { RetortError } from '../errors.ts';
import type { DType } from '../torch/index.ts';
import { itemSize } from '../torch/index.ts';

/** Attributes of a node: numbers are integers, lists of numbers lists of integers; {@link float} makes a float. */
export type Attributes = Readonly<Record<string, number | string | readonly number[] | OnnxAttribute | undefined>>;

/** A float attribute. */
export function float(value: number): OnnxAttribute {
  return { type: 'float', value };
}

/** The name of an element type in ONNX. @throws {RetortError} for complex numbers. */
export function onnxDType(dtype: DType): OnnxDType {
  if (!dtype.startsWith('complex')) return dtype;
  throw new RetortError(`exportOnnx: tensors of ${dtype} have no operators in ONNX`, { code: 'unsupported' });
}

/** ONNX's numbers of element types, for `Cast`. */
const castNumbers: Readonly<Record<string, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};

/** Constants of at most this many bytes are compared, and kept once. */
const mostCompared = 256;

/** A graph under construction. Operators of one's own get it as `call.graph`. */
export class GraphBuilder {
  /** The version of ONNX's operators. */
  readonly opset: number;
  readonly nodes: OnnxNode[] = [];
  readonly initializers = new Map<string, OnnxTensor>();
  /** The path of the module whose nodes are being made. */
  scope = '';
  readonly #taken = new Set<string>();
  readonly #constants = new Map<string, string>();

  constructor(opset: number) {
    this.opset = opset;
  }

  /**
   * Adds a node; gives the name of its output.
   * @param inputs names of values; `''` for one that is left out
   */
  node(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.nodeOf(opType, inputs, attributes, 1)[0]!;
  }

  /** {@link node} for several outputs. */
  nodeOf(opType: string, inputs: readonly string[], attributes: Attributes, outputs: number): string[] {
    const name = this.unique(`${scopeName(this.scope)}/${opType}`);
    const made = Array.from({ length: outputs }, (_, i) => this.unique(`${name}_output_${i}`));
    const given = Object.entries(attributes).filter((entry) => entry[1] !== undefined);
    this.nodes.push({
      opType,
      name,
      inputs: trimmed(inputs),
      outputs: made,
      attributes: Object.fromEntries(given.map(([key, value]) => [key, attributeOf(value!)])),
    });
    return made;
  }

  /** A name that is not taken yet: with a number behind it, if need be. */
  unique(name: string): string {
    let free = name;
    for (let i = 1; this.#taken.has(free); i++) free = `${name}_${i}`;
    this.#taken.add(free);
    return free;
  }

  /** A constant; small ones of the same values are one. @param name default: from the module's path */
  constant(dtype: DType, dims: readonly number[], data: Uint8Array, name?: string): string {
    const key =
      data.length <= mostCompared ? `${dtype} ${dims.join()} ${Buffer.from(data).toString('base64')}` : undefined;
    const known = key === undefined ? undefined : this.#constants.get(key);
    if (known !== undefined && name === undefined) return known;
    const free = this.unique(name ?? `${scopeName(this.scope)}/Constant`);
    this.initializers.set(free, { name: free, dtype: onnxDType(dtype), dims, data });
    if (key !== undefined && name === undefined) this.#constants.set(key, free);
    return free;
  }

  /** A list of int64. */
  ints(values: readonly number[]): string {
    return this.constant('int64', [values.length], bytesOf('int64', values));
  }

  /** A constant of one number without dimensions. */
  scalar(value: number, dtype: DType): string {
    return this.constant(dtype, [], bytesOf(dtype, [value]));
  }

  /** A value in another element type; itself, where it is of that type. */
  cast(value: string, from: DType, to: DType): string {
    return from === to ? value : this.node('Cast', [value], { to: castNumbers[to]! });
  }
}

/** `backbone.layer1.0.conv1` as `/backbone/layer1/layer1.0/conv1`: an item goes with the name of its list. */
function scopeName(path: string): string {
  let name = '';
  let before = '';
  for (const part of path === '' ? [] : path.split('.')) {
    before = /^\d+$/.test(part) && before !== '' ? `${before}.${part}` : part;
    name += `/${before}`;
  }
  return name;
}

function attributeOf(value: number | string | readonly number[] | OnnxAttribute): OnnxAttribute {
  if (typeof value === 'number') return { type: 'int', value };
  if (typeof value === 'string') return { type: 'string', value };
  return isList(value) ? { type: 'ints', value } : value;
}

function isList(value: readonly number[] | OnnxAttribute): value is readonly number[] {
  return Array.isArray(value);
}

function trimmed(inputs: readonly string[]): readonly string[] {
  return inputs.slice(0, inputs.findLastIndex((name) => name !== '') + 1);
}

/** Numbers as the bytes of a tensor. */
export function bytesOf(dtype: DType, values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * itemSize(dtype));
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    const at = i * itemSize(dtype);
    if (dtype === 'float32') view.setFloat32(at, value, true);
    else if (dtype === 'float64') view.setFloat64(at, value, true);
    else if (dtype === 'float16') view.setUint16(at, halfOf(value), true);
    else if (dtype === 'bfloat16') view.setUint16(at, brainOf(value), true);
    else if (dtype === 'int64') view.setBigInt64(at, BigInt(Math.trunc(value)), true);
    else if (dtype === 'int32') view.setInt32(at, value, true);
    else if (dtype === 'int16') view.setInt16(at, value, true);
    else view.setUint8(at, value);
  });
  return bytes;
}

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

/** The bits of the nearest half-precision float, ties to even. */
export function halfOf(value: number): number {
  floats[0] = value;
  const bits = words[0]!;
  const sign = (bits >>> 16) & 0x80_00;
  const magnitude = bits & 0x7f_ff_ff_ff;
  if (magnitude > 0x7f_80_00_00) return sign | 0x7e_00;
  if (magnitude >= 0x47_7f_f0_00) return sign | 0x7c_00; // 65520 and more are infinite
  if (magnitude < 0x38_80_00_00) {
    // Below 2^-14: a multiple of 2^-24.
    const scaled = Math.abs(floats[0]) * 2 ** 24;
    const low = Math.floor(scaled);
    const rest = scaled - low;
    return sign | (rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low);
  }
  const rounded = magnitude + 0xf_ff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38_00_00_00) >>> 13);
}

function brainOf(value: number): number {
  floats[0] = value;
  const bits = words[0]!;
  return Number.isNaN(value) ? 0x7f_c0 : (bits + 0x7f_ff + ((bits >>> 16) & 1)) >>> 16;
}
