// Calls operators by name: picks the overload whose arguments fit, writes them on the tape, reads the results back.
import { RetortError } from '../errors.ts';
import { deviceNumbers, dtypeNumber, layoutNumber, memoryFormatNumber } from './dtype.ts';
import { engineError } from './engine-errors.ts';
import type { CheckCall, Given } from './guards.ts';
import { checkOf } from './guards.ts';
import type { NativeArgument, NativeOverload } from './native.ts';
import { native } from './native.ts';
import { Generator } from './random.ts';
import { selectScope } from './scope.ts';
import { Tag, tapeBits, tapeFor, textNumber } from './tape.ts';
import { disposedError, Tensor } from './tensor.ts';

/** How an argument travels; the same numbers as in native/dispatch.cc. */
const Kind = {
  Tensor: 0,
  Int: 1,
  Float: 2,
  Bool: 3,
  Scalar: 4,
  String: 5,
  DType: 6,
  Layout: 7,
  MemoryFormat: 8,
  Device: 9,
  Generator: 10,
  IntList: 11,
  FloatList: 12,
  BoolList: 13,
  TensorList: 14,
  OptionalTensorList: 15,
  ScalarList: 16,
  Unsupported: 17,
} as const;

interface Argument extends NativeArgument {
  /** The name in camelCase, as options spell it. */
  key: string;
}

interface Overload {
  id: number;
  name: string;
  arguments: Argument[];
  positional: number;
  required: number;
  keys: ReadonlySet<string>;
  returns: readonly number[];
  returnsSelf: boolean;
  /** Makes tensors from nothing: takes `requiresGrad` besides its own options. */
  factory: boolean;
}

/** `log_softmax` -> `logSoftmax`; leading and trailing underscores stay. */
export function camelCase(name: string): string {
  return name.replace(/(?<=[a-zA-Z0-9])_+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** An operator with all its overloads, looked up in libtorch on the first call. */
export class Operator {
  readonly name: string;
  private resolved: Overload[] | undefined;
  private readonly check: CheckCall | undefined;

  /** @param name libtorch's name without namespace, `log_softmax`; another namespace is given in full, `quantized::add`. */
  constructor(name: string) {
    this.name = name;
    this.check = checkOf(name);
  }

  /** Calls with positional arguments and, last, an options object. @throws {RetortError} when no overload fits. */
  call(args: readonly unknown[]): unknown {
    return this.invoke(undefined, args);
  }

  /** The same as a method: `self` stands in front of the arguments (without a copy of them: this is the hot path). */
  invoke(self: Tensor | undefined, args: readonly unknown[]): unknown {
    const overloads = this.resolved ?? this.resolve();
    const last = args[args.length - 1];
    const options = isOptions(last) ? last : undefined;
    const given = options === undefined ? args.length : args.length - 1;
    const count = self === undefined ? given : given + 1;
    for (const overload of overloads) {
      if (count > overload.positional) continue;
      if (options === undefined ? count < overload.required : !knows(overload, options)) continue;
      this.check?.(argumentsOf(overload, self, args, count, options));
      if (encode(overload, self, args, count, options)) return run(overload, self ?? args[0], options);
    }
    throw this.mismatch(self === undefined ? args : [self, ...args]);
  }

  private resolve(): Overload[] {
    const found = native().describe(this.name.includes('::') ? this.name : `aten::${this.name}`);
    if (found.length === 0) {
      throw new RetortError(`libtorch ${native().info().version} has no operator "${this.name}"`);
    }
    this.resolved = found
      .filter(usable)
      .map((entry) => toOverload(this.name, entry))
      .toSorted(byPreference);
    return this.resolved;
  }

  private mismatch(args: readonly unknown[]): RetortError {
    const known = (this.resolved ?? []).map((overload) => `    ${signature(this.name, overload)}`);
    return new RetortError(`${camelCase(this.name)}: no overload takes (${args.map(shown).join(', ')})`, {
      help: `it takes\n${known.join('\n')}`,
    });
  }
}

function usable(entry: NativeOverload): boolean {
  const fits = (argument: NativeArgument): boolean =>
    argument.kind !== Kind.Unsupported || argument.hasDefault || argument.optional;
  return entry.arguments.every(fits) && entry.returns.every((result) => result.kind !== Kind.Unsupported);
}

function toOverload(name: string, entry: NativeOverload): Overload {
  const args = entry.arguments.map((argument) => ({ ...argument, key: camelCase(argument.name) }));
  const positional = args.filter((argument) => !argument.kwargOnly).length;
  const keys = new Set(args.map((argument) => argument.key));
  return {
    id: entry.id,
    name: entry.overload === '' ? name : `${name}.${entry.overload}`,
    arguments: args,
    positional,
    required: args.slice(0, positional).findLastIndex((argument) => !argument.hasDefault && !argument.optional) + 1,
    keys,
    returns: entry.returns.map((result) => result.kind),
    returnsSelf: entry.returnsSelf,
    factory: keys.has('dtype') && keys.has('pinMemory'),
  };
}

/** Plain overloads first, tensors before scalars, fewer arguments before more; the order is stable over versions. */
function byPreference(a: Overload, b: Overload): number {
  return rank(a) - rank(b) || a.arguments.length - b.arguments.length || (a.name < b.name ? -1 : 1);
}

function rank(overload: Overload): number {
  if (overload.arguments.some((argument) => argument.kwargOnly && argument.written)) return 3; // writes into `out`
  if (!overload.name.includes('.')) return 0;
  return overload.arguments[1]?.kind === Kind.Tensor ? 1 : 2;
}

function isOptions(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || value instanceof Tensor || Array.isArray(value)) return false;
  return !(value instanceof Generator);
}

function knows(overload: Overload, options: Record<string, unknown>): boolean {
  for (const key in options) {
    if (!overload.keys.has(key) && !(overload.factory && key === 'requiresGrad')) return false;
  }
  return true;
}

/** Looks arguments up by the names of the schema, for a check. */
function argumentsOf(
  overload: Overload,
  self: Tensor | undefined,
  args: readonly unknown[],
  count: number,
  options: Record<string, unknown> | undefined,
): Given {
  const offset = self === undefined ? 0 : 1;
  return (name) => {
    const at = overload.arguments.findIndex((argument) => argument.name === name);
    if (at < 0) return undefined;
    if (at >= count) return options?.[overload.arguments[at]!.key];
    return at < offset ? self : args[at - offset];
  };
}

function encode(
  overload: Overload,
  self: Tensor | undefined,
  args: readonly unknown[],
  count: number,
  options: Record<string, unknown> | undefined,
): boolean {
  let tape = tapeFor(0, 0);
  tape[0] = overload.id;
  let at = 1;
  const specs = overload.arguments;
  const offset = self === undefined ? 0 : 1;
  for (let i = 0; i < specs.length; i++) {
    const spec = specs[i]!;
    let value: unknown;
    if (i < count) {
      value = i < offset ? self : args[i - offset];
      if (options !== undefined && spec.key in options) return false; // given twice
    } else if (options !== undefined) value = options[spec.key];
    if (value === undefined) {
      if (spec.hasDefault) tape[at++] = Tag.Default;
      else if (spec.optional) tape[at++] = Tag.None;
      else return false;
    } else if (spec.kind === Kind.Tensor && value instanceof Tensor) {
      if (value.handle === 0) throw disposedError();
      tape[at++] = Tag.Handle;
      tape[at++] = value.handle;
    } else {
      at = encodeValue(spec, value, at);
      if (at < 0) return false;
      tape = tapeFor(at, 0);
    }
  }
  return true;
}

/** Writes one value; the new position, or -1 when it does not fit the argument. */
function encodeValue(spec: Argument, value: unknown, at: number): number {
  const tape = tapeFor(at, 0);
  if (value === null) {
    if (!spec.optional) return -1;
    tape[at] = Tag.None;
    return at + 1;
  }
  switch (spec.kind) {
    case Kind.Int:
    case Kind.Float:
    case Kind.Scalar:
      return encodeNumber(spec.kind, value, at);
    case Kind.Bool:
      return typeof value === 'boolean' ? put(at, Tag.Boolean, Number(value)) : -1;
    case Kind.String:
      return typeof value === 'string' ? put(at, Tag.Text, textNumber(value)) : -1;
    case Kind.DType:
      return encodeName(dtypeNumber, value, at);
    case Kind.Layout:
      return encodeName(layoutNumber, value, at);
    case Kind.MemoryFormat:
      return encodeName(memoryFormatNumber, value, at);
    case Kind.Device: {
      const place = typeof value === 'string' ? deviceNumbers(value) : undefined;
      if (place === undefined) return -1;
      tape[at + 2] = place[1];
      return put(at, Tag.Place, place[0]) + 1;
    }
    case Kind.Generator:
      return value instanceof Generator ? put(at, Tag.Generator, value.index) : -1;
    case Kind.IntList:
    case Kind.FloatList:
    case Kind.ScalarList:
      return encodeNumbers(spec, value, at);
    case Kind.BoolList: {
      if (!Array.isArray(value)) return -1;
      return encodeList(Tag.Booleans, value, at, (item) => (typeof item === 'boolean' ? Number(item) : undefined));
    }
    case Kind.TensorList:
      return Array.isArray(value) ? encodeList(Tag.Handles, value, at, listedHandle) : -1;
    case Kind.OptionalTensorList: {
      if (!Array.isArray(value)) return -1;
      return encodeList(Tag.Handles, value, at, (item) =>
        item === null || item === undefined ? 0 : listedHandle(item),
      );
    }
    default:
      return -1;
  }
}

function put(at: number, tag: number, value: number): number {
  const tape = tapeFor(at, 2);
  tape[at] = tag;
  tape[at + 1] = value;
  return at + 2;
}

function encodeNumber(kind: number, value: unknown, at: number): number {
  if (typeof value === 'number') {
    if (kind === Kind.Int && !Number.isInteger(value)) return -1;
    return put(at, kind === Kind.Float ? Tag.Double : Tag.Integer, value);
  }
  if (typeof value === 'bigint') {
    if (kind === Kind.Float) return put(at, Tag.Double, Number(value));
    put(at, Tag.Bits, 0);
    tapeBits()[at + 1] = value;
    return at + 2;
  }
  return typeof value === 'boolean' && kind === Kind.Scalar ? put(at, Tag.Boolean, Number(value)) : -1;
}

function encodeName(numberOf: (name: string) => number | undefined, value: unknown, at: number): number {
  const number = typeof value === 'string' ? numberOf(value) : undefined;
  return number === undefined ? -1 : put(at, Tag.Integer, number);
}

/** A list of numbers; where the schema says `int[2]`, one number stands for all. */
function encodeNumbers(spec: Argument, value: unknown, at: number): number {
  const whole = spec.kind === Kind.IntList;
  const read = (item: unknown): number | undefined => {
    const number = typeof item === 'bigint' ? Number(item) : item;
    return typeof number === 'number' && (!whole || Number.isInteger(number)) ? number : undefined;
  };
  if (Array.isArray(value)) return encodeList(Tag.Numbers, value, at, read);
  if (!spec.expandable) return -1;
  return encodeList(
    Tag.Numbers,
    Array.from({ length: sizeOf(spec) }, () => value),
    at,
    read,
  );
}

/** 2 of `int[2]`, 1 of `int[1]?`. */
function sizeOf(spec: Argument): number {
  return Number(/\[(\d+)\]/.exec(spec.type)?.[1] ?? 1);
}

function listedHandle(item: unknown): number | undefined {
  if (!(item instanceof Tensor)) return undefined;
  if (item.handle === 0) throw disposedError();
  return item.handle;
}

function encodeList(
  tag: number,
  items: readonly unknown[],
  at: number,
  read: (item: unknown) => number | undefined,
): number {
  const tape = tapeFor(at, items.length + 2);
  tape[at] = tag;
  tape[at + 1] = items.length;
  for (let i = 0; i < items.length; i++) {
    const number = read(items[i]);
    if (number === undefined) return -1;
    tape[at + 2 + i] = number;
  }
  return at + 2 + items.length;
}

function run(overload: Overload, first: unknown, options: Record<string, unknown> | undefined): unknown {
  selectScope();
  const failure = native().call();
  if (failure !== undefined) throw engineError(failure);
  if (overload.returnsSelf) return first;
  const { returns } = overload;
  if (returns.length === 1 && returns[0] === Kind.Tensor) {
    const result = new Tensor(tapeFor(0, 0)[0]!);
    return options !== undefined && overload.factory && options['requiresGrad'] === true
      ? result.requiresGrad_()
      : result;
  }
  const results: unknown[] = [];
  let at = 0;
  for (const kind of returns) {
    const [value, next] = decode(kind, at);
    results.push(value);
    at = next;
  }
  return results.length > 1 ? results : results[0];
}

function decode(kind: number, at: number): [unknown, number] {
  const tape = tapeFor(0, 0);
  const first = tape[at]!;
  if (kind === Kind.Tensor) return [first === 0 ? null : new Tensor(first), at + 1];
  if (kind === Kind.Bool) return [first === 1, at + 1];
  if (kind !== Kind.TensorList && kind !== Kind.IntList) return [first, at + 1];
  const numbers = Array.from(tape.subarray(at + 1, at + 1 + first));
  return [kind === Kind.IntList ? numbers : numbers.map((handle) => new Tensor(handle)), at + 1 + first];
}

function shown(value: unknown): string {
  if (value instanceof Tensor) return `${value.dtype}[${value.shape.join(', ')}]`;
  if (Array.isArray(value)) return `[${value.slice(0, 4).map(shown).join(', ')}${value.length > 4 ? ', ...' : ''}]`;
  if (isOptions(value))
    return `{ ${Object.entries(value)
      .map(([key, item]) => `${key}: ${shown(item)}`)
      .join(', ')} }`;
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

function signature(name: string, overload: Overload): string {
  const part = (argument: Argument): string =>
    `${argument.key}${argument.hasDefault || argument.optional ? '?' : ''}: ${argument.type}`;
  const positional = overload.arguments.filter((argument) => !argument.kwargOnly).map(part);
  const named = overload.arguments.filter((argument) => argument.kwargOnly && !argument.written).map(part);
  return `${camelCase(name)}(${[...positional, ...(named.length > 0 ? [`{ ${named.join(', ')} }`] : [])].join(', ')})`;
}
