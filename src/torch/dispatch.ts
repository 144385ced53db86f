// Calls operators by name: picks the overload whose arguments fit, hands them over, reads the results back.
import { camelCase, isPlain, isThenable, showShape } from '../check.ts';
import { describeValue, RetortError } from '../errors.ts';
import { Call, Kind } from './encode.ts';
import type { Argument } from './encode.ts';
import { deviceName } from './dtype.ts';
import { engineError } from './engine-errors.ts';
import type { CheckCall, Given } from './guards.ts';
import { checkOf } from './guards.ts';
import { during } from './modes.ts';
import type { NativeArgument, NativeOverload } from './native.ts';
import { native } from './native.ts';
import { selectScope } from './scope.ts';
import { callBufferFor } from './call-buffer.ts';
import { Tensor } from './tensor.ts';

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

/** More than there can be tensors alive, or dimensions. */
const longestList = 2 ** 25;

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

  /**
   * Calls with positional arguments and, last, an options object.
   * @param args are the operator's from now on.
   * @throws {RetortError} when no overload fits.
   */
  call(args: unknown[]): unknown {
    return this.invoke(undefined, args);
  }

  /** The same as a method: `self` stands in front of the arguments (without a copy of them: this is the hot path). */
  invoke(self: Tensor | undefined, args: unknown[]): unknown {
    const overloads = this.resolved ?? this.resolve();
    // Read once, before anything else: options may have getters, and lists may change while they are read.
    // Only plain objects are options: a promise, a Map or a typed array there is a mistake.
    const last = args[args.length - 1];
    const options = isPlain(last) ? { ...last } : undefined;
    for (let i = 0; i < args.length; i++) if (Array.isArray(args[i])) args[i] = this.copied(args[i] as unknown[]);
    for (const key in options) {
      if (Array.isArray(options[key])) options[key] = this.copied(options[key] as unknown[]);
    }
    const given = options === undefined ? args.length : args.length - 1;
    const count = self === undefined ? given : given + 1;
    const call = takeCall();
    for (const overload of overloads) {
      if (count > overload.positional) continue;
      if (options === undefined ? count < overload.required : !knows(overload, options)) continue;
      this.check?.(argumentsOf(overload, self, args, count, options));
      if (!encode(call, overload, self, args, count, options)) continue;
      const first = self ?? args[0];
      if (tracer === undefined) return run(call, overload, first, options);
      return tracer(tracedCall(this.name, overload, argumentsOf(overload, self, args, count, options)), () =>
        run(call, overload, first, options),
      );
    }
    throw this.mismatch(self === undefined ? args : [self, ...args], call.refusal);
  }

  private copied(list: readonly unknown[]): unknown[] {
    const count = list.length;
    if (count > longestList) {
      throw new RetortError(`${camelCase(this.name)}: expected a list of at most ${longestList} items, got ${count}`);
    }
    const copy: unknown[] = [];
    for (let i = 0; i < count; i++) copy.push(list[i]);
    return copy;
  }

  private resolve(): Overload[] {
    const found = native().describe(this.name.includes('::') ? this.name : `aten::${this.name}`);
    if (found.length === 0) {
      throw new RetortError(`libtorch ${native().info().version} has no operator "${this.name}"`, {
        code: 'unknown-name',
      });
    }
    this.resolved = found
      .filter(usable)
      .map((entry) => toOverload(this.name, entry))
      .toSorted(byPreference);
    return this.resolved;
  }

  private mismatch(args: readonly unknown[], refusal: Call['refusal']): RetortError {
    const known = new Set((this.resolved ?? []).map((overload) => `    ${signature(this.name, overload)}`));
    const name = camelCase(this.name);
    const what =
      refusal === undefined
        ? `${name}: no overload takes (${args.map((arg) => shown(arg)).join(', ')})`
        : `${name}: ${refusal.key}: ${refusal.reason}`;
    const missing = args.flat().some(isThenable) ? 'did you forget an await? ' : '';
    return new RetortError(what, { help: `${missing}it takes\n${[...known].join('\n')}` });
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

/** A call of an operator, as a {@link Tracer} sees it. */
export interface TracedCall {
  /** libtorch's name without namespace and overload, `conv2d`. */
  readonly operator: string;
  /** With its overload, `add.Tensor`. */
  readonly overload: string;
  /** By the names of the schema; what was not given is left out. */
  readonly args: ReadonlyMap<string, unknown>;
  /** Whether the result is the first argument, overwritten. */
  readonly inPlace: boolean;
}

/** Is told of a call before it runs, runs it, and returns what it returned. */
export type Tracer = (call: TracedCall, proceed: () => unknown) => unknown;

let tracer: Tracer | undefined;

function tracedCall(operator: string, overload: Overload, given: Given): TracedCall {
  const args = new Map<string, unknown>();
  for (const { name } of overload.arguments) {
    const value = given(name);
    if (value !== undefined) args.set(name, value);
  }
  return { operator, overload: overload.name, args, inPlace: overload.returnsSelf };
}

/**
 * Runs `fn`; every operator that is called meanwhile is called through `trace`. Operators that `trace` itself calls are not traced.
 * @throws {RetortError} when `fn` is asynchronous.
 */
export function traceOperators<T>(fn: () => T, trace: Tracer): T {
  const guarded: Tracer = (call, proceed) => {
    tracer = undefined;
    try {
      return trace(call, proceed);
    } finally {
      tracer = guarded;
    }
  };
  const set = (value: Tracer | undefined): Tracer | undefined => {
    const before = tracer;
    tracer = value;
    return before;
  };
  return during('traceOperators', fn, { enter: () => set(guarded), leave: set });
}

/** One that is free, for its memory. A call inside the reading of another's arguments finds none, and makes its own. */
let spare: Call | undefined;

function takeCall(): Call {
  const call = spare ?? new Call();
  spare = undefined;
  call.refusal = undefined;
  return call;
}

function encode(
  call: Call,
  overload: Overload,
  self: Tensor | undefined,
  args: readonly unknown[],
  count: number,
  options: Record<string, unknown> | undefined,
): boolean {
  call.start(overload.id);
  const specs = overload.arguments;
  const offset = self === undefined ? 0 : 1;
  for (let i = 0; i < specs.length; i++) {
    const spec = specs[i]!;
    let value: unknown;
    if (i < count) {
      value = i < offset ? self : args[i - offset];
      if (options !== undefined && spec.key in options) return false; // given twice
    } else if (options !== undefined) value = options[spec.key];
    if (!call.add(spec, value)) return false;
  }
  return true;
}

function run(call: Call, overload: Overload, first: unknown, options: Record<string, unknown> | undefined): unknown {
  selectScope();
  call.commit();
  spare = call;
  const failure = native().call();
  if (failure !== undefined) throw engineError(failure);
  if (overload.returnsSelf) return first;
  const { returns } = overload;
  if (returns.length === 1 && returns[0] === Kind.Tensor) {
    const result = new Tensor(callBufferFor(0, 0)[0]!);
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
  const buffer = callBufferFor(0, 0);
  const first = buffer[at]!;
  if (kind === Kind.Tensor) return [first === 0 ? null : new Tensor(first), at + 1];
  if (kind === Kind.Bool) return [first === 1, at + 1];
  if (kind === Kind.Device) return [deviceName(first, buffer[at + 1]!), at + 2];
  if (kind !== Kind.TensorList && kind !== Kind.IntList) return [first, at + 1];
  const numbers = Array.from(buffer.subarray(at + 1, at + 1 + first));
  return [kind === Kind.IntList ? numbers : numbers.map((handle) => new Tensor(handle)), at + 1 + first];
}

/** An argument as the error of a wrong call shows it, without what lies deep inside. */
function shown(value: unknown, depth = 0): string {
  if (value instanceof Tensor) return `${value.dtype}${showShape(value.shape)}`;
  if (typeof value === 'string') return JSON.stringify(value);
  const nested = Array.isArray(value) || isPlain(value);
  if (nested && depth > 2) return '...';
  if (Array.isArray(value)) {
    const items = value.slice(0, 4).map((item) => shown(item, depth + 1));
    return `[${items.join(', ')}${value.length > 4 ? ', ...' : ''}]`;
  }
  if (isPlain(value)) {
    const items = Object.entries(value).map(([key, item]) => `${key}: ${shown(item, depth + 1)}`);
    return `{ ${items.join(', ')} }`;
  }
  if (typeof value === 'bigint') return `${value}n`;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : describeValue(value);
}

function signature(name: string, overload: Overload): string {
  const part = (argument: Argument): string =>
    `${argument.key}${argument.hasDefault || argument.optional ? '?' : ''}: ${argument.type.replace('SymInt', 'int').replace(/\?$/, '')}`;
  const positional = overload.arguments.filter((argument) => !argument.kwargOnly).map(part);
  const named = overload.arguments.filter((argument) => argument.kwargOnly && !argument.written).map(part);
  return `${camelCase(name)}(${[...positional, ...(named.length > 0 ? [`{ ${named.join(', ')} }`] : [])].join(', ')})`;
}
