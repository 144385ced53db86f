// Reads and writes ONNX models as plain objects: the graph, its nodes with their attributes, constants, inputs and outputs. Nothing in
// a file can run code; a graph whose names lead nowhere, or in a circle, is refused before anyone runs it.
// Format: https://github.com/onnx/onnx/blob/main/docs/IR.md

import path from 'node:path';

import { realPath } from '../files.ts';
import { writeFileAtomicSync } from './atomic-file.ts';
import { quote } from './format-error.ts';
import { dtypeNumberOf, dtypeOf, fromTensor, joined, toTensor } from './onnx-tensor.ts';
import type { OnnxDType, OnnxTensor, ReadExternal } from './onnx-tensor.ts';
import { decode, encode, fail, integerIn, messagesIn, strictText, textIn } from './onnx-wire.ts';
import type { Fields, Value } from './onnx-wire.ts';
import { withFile } from './read-file.ts';

export type { OnnxDType, OnnxTensor } from './onnx-tensor.ts';

/** A dimension: its size, a name for one that the caller chooses (`batch`), or undefined where the file says nothing. */
export type OnnxDim = number | string | undefined;

/** An input, an output, or a value inside of a graph. */
export interface OnnxValue {
  readonly name: string;
  /** Undefined where the file says nothing, and for what is no tensor. */
  readonly dtype?: OnnxDType | undefined;
  /** Undefined where not even the number of dimensions is said. */
  readonly shape?: readonly OnnxDim[] | undefined;
  /** What else it is, for those that are no tensors. */
  readonly other?: 'sequence' | 'map' | 'sparse' | 'optional' | undefined;
}

/** An attribute of a node. Integers beyond 2^53 are bigint; `bytes` is a string that is not UTF-8. */
export type OnnxAttribute =
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'int'; readonly value: number | bigint }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'bytes'; readonly value: Uint8Array }
  | { readonly type: 'tensor'; readonly value: OnnxTensor }
  | { readonly type: 'graph'; readonly value: OnnxGraph }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'ints'; readonly value: readonly (number | bigint)[] }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'tensors'; readonly value: readonly OnnxTensor[] }
  | { readonly type: 'graphs'; readonly value: readonly OnnxGraph[] };

/** One call of an operator. */
export interface OnnxNode {
  readonly opType: string;
  /** For people; may be empty. */
  readonly name: string;
  /** Names of values; `''` for one that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
  /** Whose operator it is. Default `''`: ONNX's own. */
  readonly domain?: string;
}

/** Nodes in an order in which they can run, with what they take and give. */
export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  /** Constants, by the names that nodes take. */
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** What is known of values in between; may be empty. */
  readonly values?: readonly OnnxValue[];
}

/** A whole model. */
export interface OnnxModel {
  readonly irVersion: number;
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly doc?: string;
  /** The set of operators: `[{ domain: '', version: 17 }]`. */
  readonly opsets: readonly { readonly domain: string; readonly version: number }[];
  /** Texts by key (`metadata_props`). */
  readonly metadata: Readonly<Record<string, string>>;
  readonly graph: OnnxGraph;
  /** Functions that the model defines itself, as they lie in the file. */
  readonly functions?: readonly Uint8Array[];
}

/** How external data are reached. */
export interface OnnxReadOptions {
  /** The folder beside which, and within which, external data lie. Default: files that need any are refused. */
  folder?: string;
}

/**
 * Parses the bytes of a model. Tensors' data are views of `bytes` where the file has them in one piece, not copies.
 *
 * A model must have: a version, operator sets, a graph; values that are made once, before they are taken; constants as large as their
 * shapes say, of known types, in one place each; every field at most as often, and of the wire type, as the format says.
 * @throws {FormatError} for every breach of that. {@link RetortError} for external data that cannot be read.
 */
export function parseOnnx(bytes: Uint8Array, options: OnnxReadOptions = {}): OnnxModel {
  const { folder } = options;
  return toModel(decode('Model', bytes), (external, failTensor) => {
    if (folder === undefined) {
      throw failTensor('offsets', `its data are in another file, ${quote(external.location)}`, {
        help: 'read it with readOnnxFile, which looks beside the file',
      });
    }
    return readBeside(folder, external, failTensor);
  });
}

/**
 * Reads a model, with its external data, which must lie in its folder or below.
 * @throws {RetortError} when a file cannot be read, {@link FormatError} with the path when it breaks the format.
 *
 * @example
 * ```ts
 * const { graph, opsets } = readOnnxFile('resnet18.onnx');
 * console.log(opsets, graph.nodes.length, graph.inputs);
 * ```
 */
export function readOnnxFile(file: string): OnnxModel {
  return withFile(file, ({ size, read }) => {
    if (size > mostBytes) throw fail('too-large', `it has ${size} bytes, more than 2 GiB`);
    return parseOnnx(read(0, size), { folder: path.dirname(file) });
  });
}

/** Protobuf's own limit. */
const mostBytes = 2 ** 31 - 1;

const readBeside = (folder: string, ...[external, failTensor]: Parameters<ReadExternal>): Uint8Array => {
  const { location, offset, length } = external;
  const outside = (): Error =>
    failTensor('offsets', `external data: ${quote(location)} is not in the model's folder`, {
      help: 'put the file beside the model',
    });
  const parts = location.split(/[/\\]/);
  if (location.includes('\0') || path.isAbsolute(location) || parts.includes('..')) throw outside();
  const root = realPath(folder);
  const file = realPath(path.join(root, location));
  if (!file.startsWith(root === path.sep ? root : root + path.sep)) throw outside();
  return withFile(file, ({ size, read }) => {
    const wanted = length ?? size - offset;
    if (wanted < 0 || offset + wanted > size) {
      throw failTensor('truncated', `external data: bytes ${offset} to ${offset + wanted} of a file of ${size}`);
    }
    return read(offset, wanted);
  });
};

/**
 * The bytes of a model, as pieces to be written one after the other (`writeFileAtomic` takes them as they are); large constants are the
 * given arrays themselves.
 * @throws {FormatError} for a graph that does not hold together (as {@link parseOnnx}), and one of 2 GiB and more, which the format
 * would keep in a second file.
 */
export function serializeOnnx(model: OnnxModel): Uint8Array[] {
  checkGraph(model.graph, () => false);
  const { list, length } = encode('Model', fromModel(model));
  if (length > mostBytes) {
    throw fail('too-large', `the model would have ${length} bytes; at most 2^31 - 1 are written`, {
      help: 'export a smaller network, or in half precision',
    });
  }
  return list;
}

/** The bytes of a model in one piece. @throws {FormatError} as {@link serializeOnnx}. */
export function onnxModelBytes(model: OnnxModel): Uint8Array {
  return joined(serializeOnnx(model));
}

/**
 * Writes a model, replacing what was there, or leaving it as it was.
 * @throws {FormatError} as {@link serializeOnnx}; {@link RetortError} when the file cannot be written.
 */
export function writeOnnxFile(file: string, model: OnnxModel): void {
  writeFileAtomicSync(file, serializeOnnx(model));
}

function toModel(fields: Fields, external: ReadExternal): OnnxModel {
  const graph = fields['graph']?.[0] as Fields | undefined;
  const irVersion = integerIn(fields, 'irVersion');
  if (graph === undefined) throw fail('missing-field', 'it has no graph');
  if (irVersion === 0) throw fail('missing-field', 'it has no version (ir_version)');
  if (irVersion < 0 || irVersion > 1000) throw fail('version', `there is no version ${irVersion} of the format`);
  const opsets = messagesIn(fields, 'opsets').map((opset) => ({
    domain: textIn(opset, 'domain'),
    version: integerIn(opset, 'version'),
  }));
  if (opsets.length === 0) throw fail('missing-field', 'it has no operator sets (opset_import)');
  requireOnce(
    opsets.map(({ domain }) => domain),
    'the operator set of the domain',
  );
  const metadata: Record<string, string> = Object.create(null) as Record<string, string>;
  const entries = messagesIn(fields, 'metadata');
  requireOnce(
    entries.map((entry) => textIn(entry, 'key')),
    'the key of metadata',
  );
  for (const entry of entries) metadata[textIn(entry, 'key')] = textIn(entry, 'value');
  const functions = (fields['functions'] ?? []) as readonly Uint8Array[];
  const made = toGraph(graph, external);
  checkGraph(made, () => false);
  return {
    irVersion,
    producerName: textIn(fields, 'producerName'),
    producerVersion: textIn(fields, 'producerVersion'),
    doc: textIn(fields, 'doc'),
    opsets,
    metadata,
    graph: made,
    ...(functions.length > 0 ? { functions } : {}),
  };
}

function toGraph(fields: Fields, external: ReadExternal): OnnxGraph {
  if (fields['sparse'] !== undefined) throw fail('dtype', 'sparse constants are not supported');
  return {
    name: textIn(fields, 'name'),
    nodes: messagesIn(fields, 'nodes').map((node) => toNode(node, external)),
    initializers: messagesIn(fields, 'initializers').map((tensor) => toTensor(tensor, external)),
    inputs: messagesIn(fields, 'inputs').map(toValue),
    outputs: messagesIn(fields, 'outputs').map(toValue),
    values: messagesIn(fields, 'values').map(toValue),
  };
}

function toNode(fields: Fields, external: ReadExternal): OnnxNode {
  const name = textIn(fields, 'name');
  const opType = textIn(fields, 'opType');
  if (opType === '') throw fail('missing-field', `the node ${quote(name)} has no operator`);
  const attributes: Record<string, OnnxAttribute> = Object.create(null) as Record<string, OnnxAttribute>;
  for (const attribute of messagesIn(fields, 'attributes')) {
    const key = textIn(attribute, 'name');
    if (key in attributes) throw fail('duplicate-key', `the node ${quote(name)} has the attribute ${quote(key)} twice`);
    attributes[key] = toAttribute(attribute, `${name === '' ? opType : name}.${key}`, external);
  }
  const domain = textIn(fields, 'domain');
  return {
    opType,
    name,
    inputs: (fields['inputs'] ?? []) as readonly string[],
    outputs: (fields['outputs'] ?? []) as readonly string[],
    attributes,
    ...(domain === '' ? {} : { domain }),
  };
}

/** The field that each type of attribute stands in, by the type's number. */
const attributeTypes = [
  undefined,
  ['float', 'f'],
  ['int', 'i'],
  ['string', 's'],
  ['tensor', 't'],
  ['graph', 'g'],
  ['floats', 'floats'],
  ['ints', 'ints'],
  ['strings', 'strings'],
  ['tensors', 'tensors'],
  ['graphs', 'graphs'],
] as const;

function toAttribute(fields: Fields, where: string, external: ReadExternal): OnnxAttribute {
  if (fields['reference'] !== undefined) throw fail('syntax', `${quote(where)} refers to an attribute of a function`);
  const [type, field] = attributeTypes[integerIn(fields, 'type')] ?? [];
  if (type === undefined || field === undefined) {
    throw fail('syntax', `the attribute ${quote(where)} has the type ${integerIn(fields, 'type')}`);
  }
  const values = fields[field] ?? [];
  const text = (bytes: Value): string => {
    const read = strictText(bytes as Uint8Array);
    if (read === undefined) throw fail('utf8', `the attribute ${quote(where)} is not valid UTF-8`);
    return read;
  };
  const [first] = values;
  switch (type) {
    case 'float':
      return { type, value: first === undefined ? 0 : floats([first])[0]! };
    case 'int':
      return { type, value: (first as number | bigint | undefined) ?? 0 };
    case 'string': {
      const value = strictText((first as Uint8Array | undefined) ?? new Uint8Array());
      return value === undefined ? { type: 'bytes', value: first as Uint8Array } : { type, value };
    }
    case 'floats':
      return { type, value: floats(values) };
    case 'ints':
      return { type, value: values as readonly (number | bigint)[] };
    case 'strings':
      return { type, value: values.map(text) };
    case 'tensors':
      return { type, value: values.map((tensor) => toTensor(tensor as Fields, external)) };
    case 'graphs':
      return { type, value: values.map((graph) => toGraph(graph as Fields, external)) };
    default:
      if (first === undefined) throw fail('missing-field', `the attribute ${quote(where)} has no value`);
      return type === 'tensor'
        ? { type, value: toTensor(first as Fields, external) }
        : { type, value: toGraph(first as Fields, external) };
  }
}

function floats(values: readonly Value[]): number[] {
  const bytes = joined(values as readonly Uint8Array[]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

function toValue(fields: Fields): OnnxValue {
  const name = textIn(fields, 'name');
  if (name === '') throw fail('missing-field', 'an input, output or value without a name');
  const type = fields['type']?.[0] as Fields | undefined;
  if (type === undefined) return { name };
  const other = (['sequence', 'map', 'sparse', 'optional'] as const).find((kind) => type[kind] !== undefined);
  if (other !== undefined) return { name, other };
  const tensor = type['tensor']?.[0] as Fields | undefined;
  if (tensor === undefined) return { name };
  const element = integerIn(tensor, 'elementType');
  const shape = tensor['shape']?.[0] as Fields | undefined;
  return {
    name,
    dtype: element === 0 ? undefined : dtypeOf(element, (code, problem) => fail(code, `${quote(name)}: ${problem}`)),
    shape: shape === undefined ? undefined : messagesIn(shape, 'dims').map((dim) => toDim(dim, name)),
  };
}

function toDim(fields: Fields, name: string): OnnxDim {
  const size = fields['value']?.[0] as number | bigint | undefined;
  const param = textIn(fields, 'param');
  if (size === undefined) return param === '' ? undefined : param;
  if (typeof size === 'bigint' || size < -1) {
    throw fail('shape', `${quote(name)}: a dimension must be an integer from 0 to 2^53 - 1, got ${size}`);
  }
  return size === -1 ? undefined : size; // some exporters' way to say that it is not known
}

function requireOnce(names: readonly string[], what: string): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw fail('duplicate-key', `${what} ${quote(name)} is there twice`);
    seen.add(name);
  }
}

/** @throws {FormatError} unless every value is made once, and before it is taken. */
function checkGraph(graph: OnnxGraph, outside: (name: string) => boolean): void {
  requireOnce(
    graph.initializers.map(({ name }) => name),
    'the constant',
  );
  requireOnce(
    graph.inputs.map(({ name }) => name),
    'the input',
  );
  requireOnce(
    graph.outputs.map(({ name }) => name),
    'the output',
  );
  const made = new Set([...graph.initializers, ...graph.inputs].map(({ name }) => name));
  const makers = new Map<string, OnnxNode>();
  for (const node of graph.nodes) {
    for (const name of node.outputs) {
      if (name === '') continue;
      if (makers.has(name) || made.has(name)) throw fail('duplicate-key', `the value ${quote(name)} is made twice`);
      makers.set(name, node);
    }
  }
  const known = (name: string): boolean => name === '' || made.has(name) || outside(name);
  const what = ({ name, opType }: OnnxNode): string => `the node ${quote(name)} (${opType})`;
  for (const node of graph.nodes) {
    for (const name of node.inputs) {
      if (known(name)) continue;
      const maker = makers.get(name);
      throw maker === undefined
        ? fail('graph', `${what(node)} takes ${quote(name)}, which nothing makes`)
        : fail('graph', `${what(node)} takes ${quote(name)}, which ${what(maker)} makes only later, or out of it`);
    }
    for (const inner of graphsIn(node)) checkGraph(inner, known);
    for (const name of node.outputs) made.add(name);
  }
  for (const { name } of graph.outputs) {
    if (!known(name)) throw fail('graph', `the output ${quote(name)} is made by nothing`);
  }
}

/** The graphs in a node's attributes: branches and bodies of loops. */
function graphsIn(node: OnnxNode): OnnxGraph[] {
  return Object.values(node.attributes).flatMap((attribute): readonly OnnxGraph[] => {
    if (attribute.type === 'graph') return [attribute.value];
    return attribute.type === 'graphs' ? attribute.value : [];
  });
}

const some = (text: string | undefined): string[] => (text === undefined || text === '' ? [] : [text]);

function fromModel(model: OnnxModel): Fields {
  return {
    irVersion: [model.irVersion],
    producerName: some(model.producerName),
    producerVersion: some(model.producerVersion),
    doc: some(model.doc),
    graph: [fromGraph(model.graph)],
    opsets: model.opsets.map(({ domain, version }) => ({ domain: some(domain), version: [version] })),
    metadata: Object.entries(model.metadata).map(([key, value]) => ({ key: [key], value: [value] })),
    functions: model.functions ?? [],
  };
}

function fromGraph(graph: OnnxGraph): Fields {
  return {
    nodes: graph.nodes.map((node) => ({
      inputs: node.inputs,
      outputs: node.outputs,
      name: some(node.name),
      opType: [node.opType],
      attributes: Object.entries(node.attributes).map(([name, attribute]) => ({
        name: [name],
        ...fromAttribute(attribute),
      })),
      domain: some(node.domain),
    })),
    name: some(graph.name),
    initializers: graph.initializers.map(fromTensor),
    inputs: graph.inputs.map(fromValue),
    outputs: graph.outputs.map(fromValue),
    values: (graph.values ?? []).map(fromValue),
  };
}

function fromAttribute(attribute: OnnxAttribute): Fields {
  const { type, value } = attribute;
  const number = attributeTypes.findIndex((entry) => entry?.[0] === (type === 'bytes' ? 'string' : type));
  const bytes = (numbers: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(numbers).buffer);
  const values = ((): readonly Value[] => {
    switch (type) {
      case 'float':
        return [bytes([value])];
      case 'int':
      case 'bytes':
        return [value];
      case 'string':
        return [Buffer.from(value)];
      case 'tensor':
        return [fromTensor(value)];
      case 'graph':
        return [fromGraph(value)];
      case 'floats':
        return value.length === 0 ? [] : [bytes(value)];
      case 'ints':
        return value;
      case 'strings':
        return value.map((text) => Buffer.from(text));
      case 'tensors':
        return value.map(fromTensor);
      default:
        return value.map(fromGraph);
    }
  })();
  return { [attributeTypes[number]![1]]: values, type: [number] };
}

function fromValue({ name, dtype, shape, other }: OnnxValue): Fields {
  if (other !== undefined) throw fail('dtype', `${quote(name)}: a value that is a ${other} is not written`);
  if (dtype === undefined) return { name: [name] };
  const dims = shape?.map((dim) => {
    if (dim === undefined) return {};
    if (typeof dim === 'string') return { param: [dim] };
    if (Number.isSafeInteger(dim) && dim >= 0) return { value: [dim] };
    throw fail('shape', `${quote(name)}: a dimension must be an integer from 0 to 2^53 - 1, got ${dim}`);
  });
  const elementType = [dtypeNumberOf(dtype, (code, problem) => fail(code, `${quote(name)}: ${problem}`))];
  const tensor: Fields = { elementType, ...(dims === undefined ? {} : { shape: [{ dims }] }) };
  return { name: [name], type: [{ tensor: [tensor] }] };
}
