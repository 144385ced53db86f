// Every operator of the typed table, called with arguments made from its schema: shapes that fit one another and such that do
// not, empty and 0-dimensional ones, huge integers, NaN, wrong types, options. A call may give a result or throw a RetortError;
// it may not end the process, stand still, throw anything else, keep a tensor, or change how later calls compute.
import { camelCase } from '../../src/check.ts';
import { RetortError } from '../../src/errors.ts';

import { newerNames } from '../../src/torch/generated/newer-operators.ts';
import { functionNames } from '../../src/torch/generated/operators.ts';
import { hasOperator } from '../../src/torch/operators.ts';
import * as torch from '../../src/torch/index.ts';
import type { NativeArgument } from '../../src/torch/native.ts';
import { native } from '../../src/torch/native.ts';
import type { Fuzzer, Outcome, Random } from './fuzzer.ts';
import { Fault } from './fuzzer.ts';

type Value =
  | { kind: 'tensor'; shape: number[]; dtype: torch.DType; fill: Fill; after: string }
  | { kind: 'list'; items: Value[] }
  | { kind: 'plain'; code: string };

interface Call {
  name: string;
  args: Value[];
  options: Record<string, Value>;
  /** Whether the result's gradient is computed too. */
  backward: boolean;
}

const fills = ['ones', 'zeros', 'waves', 'small', 'negative', 'nan', 'infinite', 'huge'] as const;
type Fill = (typeof fills)[number];

const floating = ['float32', 'float64', 'float16', 'bfloat16', 'complex64'] as const;
const integral = ['int64', 'int32', 'uint8', 'int8', 'int16', 'bool'] as const;

/** `from_file` writes files where it is told to; a polynomial of degree n takes n steps for each element, as it should. */
const left = /^(?:from_file|special_\w+_polynomial_\w+)$/;

const plain = (code: string): Value => ({ kind: 'plain', code });
const isFloating = (dtype: string): boolean => (floating as readonly string[]).includes(dtype);

// ---- making

/** What the tensors of one call have in common, so that some calls fit. */
class Maker {
  readonly #random: Random;
  readonly #base: number[];
  readonly #dtype: torch.DType;

  constructor(random: Random) {
    this.#random = random;
    this.#base = random.list(random.pick([0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 5]), () => this.#size());
    this.#dtype = random.chance(0.75) ? 'float32' : random.pick([...floating, ...integral]);
  }

  #size(): number {
    return this.#random.pick([0, 1, 1, 2, 2, 3, 3, 4, 5, 8]);
  }

  #shape(): number[] {
    const { int, chance } = this.#bound();
    const base = [...this.#base];
    const way = int(0, 9);
    if (way < 4) return base;
    if (way === 4) return base.map((size) => (chance(0.3) ? 1 : size));
    if (way === 5) return base.slice(int(0, base.length));
    if (way === 6) return base.length < 2 ? base : [...base.slice(0, -2), base.at(-1)!, base.at(-2)!];
    if (way === 7) return [base[Math.min(1, base.length - 1)] ?? 1];
    if (way === 8) return this.#random.list(int(0, 4), () => this.#size());
    const at = int(0, Math.max(0, base.length - 1));
    return base.map((size, i) => (i === at ? this.#size() : size));
  }

  #bound(): { int: (low: number, high: number) => number; chance: (p: number) => boolean } {
    return { int: (low, high) => this.#random.int(low, high), chance: (p) => this.#random.chance(p) };
  }

  tensor(name: string): Value {
    const random = this.#random;
    let dtype = this.#dtype;
    if (/ind(ex|ices)|idx|offsets|lengths|target|labels|sorter|pivots/.test(name) && random.chance(0.7))
      dtype = random.pick(['int64', 'int64', 'int32']);
    else if (/mask|condition/.test(name) && random.chance(0.7)) dtype = 'bool';
    else if (random.chance(0.08)) dtype = random.pick([...floating, ...integral]);
    const shape = this.#shape();
    const fill = random.chance(0.75) ? random.pick(['waves', 'small', 'ones'] as const) : random.pick(fills);
    let after = '';
    if (random.chance(0.12)) {
      const ways = ['.toSparse()', ".to('float64')", '.contiguous()', ".to({ device: 'meta' })", '.neg()'];
      if (shape.length === 2) ways.push('.t()', '.toSparseCsr()');
      if (shape.length >= 2) ways.push('.transpose(0, 1)', '.transpose(0, -1)');
      if (shape.length >= 1) ways.push('.slice(0, 0, null, 2)', '.slice(-1, 1)', '.expand([2, ...S])');
      if (shape.length === 4) ways.push(".contiguous({ memoryFormat: 'channels_last' })");
      after = random.pick(ways).replace('...S', shape.join(', '));
    }
    if (isFloating(dtype) && random.chance(0.15)) after += '.requiresGrad_()';
    return { kind: 'tensor', shape, dtype, fill, after };
  }

  int(name: string): Value {
    const random = this.#random;
    if (random.chance(0.06)) return plain(random.pick(hugeIntegers));
    if (/dim|axis/.test(name) && random.chance(0.8)) return plain(String(random.int(-2, 3)));
    return plain(String(random.pick([0, 0, 1, 1, 1, 2, 2, 3, 4, -1, -1, -2, 5, 7, 100])));
  }

  value(argument: NativeArgument): Value {
    const random = this.#random;
    if (random.chance(0.02)) return plain(random.pick(strange));
    if (argument.optional && random.chance(0.35)) return plain('null');
    const count = Number(/\[(\d+)\]/.exec(argument.type)?.[1] ?? random.int(0, 3));
    const many = (make: () => Value): Value => {
      const length = random.chance(0.75) ? count : random.pick([0, 1, 2, 3, 4, 5]);
      return { kind: 'list', items: random.list(length, make) };
    };
    switch (argument.kind) {
      case 0:
        return this.tensor(argument.name);
      case 1:
        return this.int(argument.name);
      case 2:
      case 4:
        return plain(random.pick(argument.kind === 2 ? doubles : scalars));
      case 3:
        return plain(random.pick(['true', 'false']));
      case 5:
        return plain(JSON.stringify(random.pick(strings)));
      case 6:
        return plain(JSON.stringify(random.pick([...floating, ...integral])));
      case 7:
        return plain(JSON.stringify(random.pick(['strided', 'strided', 'sparse', 'sparse_csr'])));
      case 8:
        return plain(JSON.stringify(random.pick(['contiguous', 'preserve', 'channels_last', 'channels_last_3d'])));
      case 9:
        return plain(JSON.stringify(random.pick(['cpu', 'cpu', 'meta', 'cuda'])));
      case 10:
        return plain('null');
      case 11: {
        if (argument.size > 0 && random.chance(0.4)) return this.int(argument.name);
        if (/size|shape/.test(argument.name) && random.chance(0.5)) {
          return { kind: 'list', items: this.#shape().map((size) => plain(String(size))) };
        }
        return many(() => this.int(argument.name));
      }
      case 12:
      case 16:
        return many(() => plain(random.pick(doubles)));
      case 13:
        return many(() => plain(random.pick(['true', 'false'])));
      case 14:
        return many(() => this.tensor(argument.name));
      case 15:
        return many(() => (random.chance(0.3) ? plain('null') : this.tensor(argument.name)));
      default:
        return plain('null');
    }
  }
}

const hugeIntegers = ['2 ** 31', '2 ** 32', '2 ** 53 - 1', '2 ** 62', '2n ** 63n - 1n', '-(2n ** 63n)', '-(2 ** 31)'];
const doubles = ['0', '0.5', '1', '1e-5', '-1', '2', '1e30', 'NaN', 'Infinity', '-Infinity', '-0.5'];
const scalars = [...doubles, '1', '2', '3', '-1', 'true', '2n', ...hugeIntegers];
const strings = [
  'mean',
  'sum',
  'none',
  'floor',
  'trunc',
  'reflect',
  'constant',
  'circular',
  'replicate',
  'linear',
  'L',
  'U',
];
strings.push(
  'nearest',
  'ij',
  'xy',
  'fro',
  'nuc',
  'ij,jk->ik',
  'i,i->',
  'ii->i',
  '...ij->...ji',
  'same',
  'valid',
  'left',
);
strings.push('right', 'tanh', 'reduced', 'complete', 'gelsd', 'amax', 'prod', 'higher', '', '\u0000', 'x'.repeat(300));
/** What is no argument of any operator, or hardly. */
const strange = ['null', 'undefined', '"x"', '{}', '[]', '[[1]]', 'NaN', 'new Map()', 'Promise.resolve(1)', '() => 1'];
strange.push(
  'Symbol("s")',
  '2n ** 64n',
  '1e30',
  '[1, , 2]',
  'new Date(0)',
  'new Float32Array(2)',
  '[null]',
  '/x/',
  '-0',
);

function* cases(random: Random, name: string): Generator<Call, void, Outcome> {
  const overloads = native().describe(`aten::${name}`);
  const good: Call[] = [];
  for (;;) {
    let call: Call;
    if (good.length > 0 && random.chance(0.5)) {
      call = structuredClone(random.pick(good));
      vary(call, random);
    } else {
      const maker = new Maker(random);
      const { arguments: all } = random.pick(overloads);
      call = { name, args: [], options: {}, backward: random.chance(0.5) };
      let named = false;
      for (const argument of all) {
        const needless = argument.hasDefault || (argument.optional && argument.kwargOnly) || argument.kind === 17;
        if (needless && random.chance(0.6)) {
          named = true;
          continue;
        }
        if (argument.written && argument.kwargOnly && random.chance(0.8)) continue;
        const value = maker.value(argument);
        if (named || argument.kwargOnly) call.options[camelCase(argument.name)] = value;
        else call.args.push(value);
      }
    }
    if ((yield call) === 'taken' && good.length < 50) good.push(call);
  }
}

/** Changes one thing of a call that was taken. */
function vary(call: Call, random: Random): void {
  const places: [Value[] | Record<string, Value>, string][] = [];
  const visit = (holder: Value[] | Record<string, Value>): void => {
    for (const [key, value] of Object.entries(holder)) {
      places.push([holder, key]);
      if (value.kind === 'list') visit(value.items);
    }
  };
  visit(call.args);
  visit(call.options);
  if (places.length === 0) return;
  const [holder, key] = random.pick(places);
  const set = (value: Value): void => void ((holder as Record<string, Value>)[key] = value);
  const value = (holder as Record<string, Value>)[key]!;
  if (value.kind === 'tensor') {
    const way = random.int(0, 4);
    if (way === 0) value.fill = random.pick(fills);
    else if (way === 1) value.dtype = random.pick([...floating, ...integral]);
    else if (way === 2) value.after = '';
    else if (value.shape.length > 0) value.shape[random.int(0, value.shape.length - 1)] = random.pick([0, 1, 2, 3, 17]);
    else value.shape = [0];
  } else if (value.kind === 'list') {
    if (random.chance(0.5) || value.items.length === 0) set({ kind: 'list', items: value.items.slice(0, -1) });
    else value.items.push(structuredClone(value.items[0]!));
  } else set(plain(random.pick([...hugeIntegers, ...doubles, '0', '-1', '1', 'null', '-3', '7'])));
}

// ---- printing

function codeOf(value: Value): string {
  if (value.kind === 'plain') return value.code;
  if (value.kind === 'list') return `[${value.items.map(codeOf).join(', ')}]`;
  const { shape, dtype, fill, after } = value;
  const size = `[${shape.join(', ')}]`;
  const count = shape.reduce((product, one) => product * one, 1);
  const options = dtype === 'float32' ? '' : `, { dtype: '${dtype}' }`;
  const cast = dtype === 'float32' ? '' : `.to('${dtype}')`;
  const whole = !isFloating(dtype);
  const filled = (code: string): string =>
    whole ? `ops.full(${size}, ${code}).to('${dtype}')` : `ops.full(${size}, ${code}${options})`;
  const codes: Record<Fill, string> = {
    ones: `ops.ones(${size}${options})`,
    zeros: `ops.zeros(${size}${options})`,
    waves: `ops.arange(${count}).sin().reshape(${size})${whole ? '.mul(3)' : ''}${cast}`,
    small: `ops.arange(${count}).remainder(3).reshape(${size})${dtype === 'int64' ? '' : `.to('${dtype}')`}`,
    negative: filled('-1'),
    nan: filled('NaN'),
    infinite: filled('Infinity'),
    huge: filled(dtype === 'float16' ? '60000' : '1e9'),
  };
  return `${codes[fill]}${after}`;
}

function expressionOf({ name, args, options, backward }: Call): string {
  const given = args.map(codeOf);
  const named = Object.entries(options).map(([key, value]) => `${key}: ${codeOf(value)}`);
  if (named.length > 0) given.push(`{ ${named.join(', ')} }`);
  const call = `ops.${camelCase(name)}(${given.join(', ')})`;
  return backward ? `[${call}].flat().find((y) => y?.requiresGrad)?.sum().backward()` : call;
}

// ---- trying

const tools = { ops: torch.ops };

function attempt(call: Call): Outcome {
  const before = torch.memory().tensors;
  // The line that is printed is the line that runs.
  // oxlint-disable-next-line typescript/no-implied-eval
  const run = new Function(...Object.keys(tools), `return ${expressionOf(call)};`) as (...given: unknown[]) => unknown;
  torch.manualSeed(0);
  let outcome: Outcome = 'taken';
  try {
    torch.tidy(() => {
      for (const tensor of torch.tensorsIn(run(...Object.values(tools)))) read(tensor);
    });
  } catch (error) {
    if (!(error instanceof RetortError)) throw error;
    if (/frame #|\.cpp:\d|Exception raised from/.test(error.message)) throw new Fault('shows C++', error.message);
    outcome = 'refused';
  }
  const after = torch.memory().tensors;
  if (after !== before)
    throw new Fault('keeps tensors', `${after - before} more tensors are alive than before the call`);
  check();
  return outcome;
}

/** Reads every element, so that memory that is not there is noticed. */
function read(tensor: torch.Tensor): void {
  if (tensor.device === 'meta' || tensor.numel > 100_000) return;
  try {
    tensor.data();
  } catch (error) {
    if (!(error instanceof RetortError)) throw error; // sparse ones have no bytes
  }
  String(tensor);
}

/** That later calls compute as before. */
function check(): void {
  if (!torch.isGradEnabled()) throw new Fault('leaves gradients off', 'isGradEnabled() is false after the call');
  torch.tidy(() => {
    const one = torch.ops.full([1, 1], 1.001).requiresGrad_();
    const product = torch.ops.mm(one, one);
    if (product.dtype !== 'float32' || Math.abs(product.item() - 1.002_001) > 1e-6 || !product.requiresGrad) {
      throw new Fault('changes later calls', `mm of 1.001 gives ${String(product)} after the call`);
    }
  });
}

// ---- making smaller

function* simplerValues(value: Value): Iterable<Value> {
  if (value.kind === 'list') {
    for (let i = 0; i < value.items.length; i++) {
      yield { kind: 'list', items: value.items.filter((_, j) => j !== i) };
      for (const simpler of simplerValues(value.items[i]!)) {
        yield { kind: 'list', items: value.items.map((item, j) => (j === i ? simpler : item)) };
      }
    }
  } else if (value.kind === 'tensor') {
    if (value.after !== '') yield { ...value, after: '' };
    if (value.dtype !== 'float32') yield { ...value, dtype: 'float32' };
    if (value.fill !== 'ones') yield { ...value, fill: 'ones' };
    for (let i = 0; i < value.shape.length; i++) {
      yield { ...value, shape: value.shape.filter((_, j) => j !== i) };
      for (const size of [1, 2]) {
        if (value.shape[i]! > size) yield { ...value, shape: value.shape.map((old, j) => (j === i ? size : old)) };
      }
    }
  } else if (!['0', '1', 'null', 'undefined'].includes(value.code)) {
    for (const code of ['0', '1']) yield plain(code);
  }
}

function* simpler(call: Call): Iterable<Call> {
  if (call.backward) yield { ...call, backward: false };
  for (const key of Object.keys(call.options)) {
    const { [key]: value, ...others } = call.options;
    yield { ...call, options: others };
    for (const one of simplerValues(value!)) yield { ...call, options: { ...call.options, [key]: one } };
  }
  if (call.args.length > 0) yield { ...call, args: call.args.slice(0, -1) };
  for (let i = 0; i < call.args.length; i++) {
    for (const one of simplerValues(call.args[i]!)) {
      yield { ...call, args: call.args.map((arg, j) => (j === i ? one : arg)) };
    }
  }
}

const fuzzer: Fuzzer<Call> = {
  summary: 'every operator of the typed table, with arguments made from its schema',
  calls: 100_000,
  parts: () => [...functionNames, ...newerNames].filter((name) => !left.test(name) && hasOperator(name)),
  cases,
  attempt,
  simpler,
  source: (call) => `import { ops } from 'retort-kd/torch';\n${expressionOf(call)};`,
};
export default fuzzer;
