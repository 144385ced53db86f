// Puts libtorch's operators on tensors as methods, and on `ops` as functions. Each is looked up when it is first called.
import { camelCase } from '../check.ts';
import { Operator } from './dispatch.ts';
import type { NewerOperators } from './generated/newer-operators.ts';
import { newerNames } from './generated/newer-operators.ts';
import type { Operators, Scalar } from './generated/operators.ts';
import { functionNames, methodNames } from './generated/operators.ts';
import { native } from './native.ts';
import { Tensor } from './tensor.ts';

// An object of their own behind `Tensor.prototype`: on a prototype in use, V8 copies its table of properties for each new one.
const methods: object = Object.create(null);
for (const name of methodNames) {
  const method = camelCase(name);
  if (method in Tensor.prototype) continue; // ours: data, item, requiresGrad_, ...
  const operator = new Operator(name);
  Object.defineProperty(methods, method, {
    value(this: Tensor, ...args: unknown[]) {
      return operator.invoke(this, args);
    },
    configurable: true,
    writable: true,
  });
}
Object.setPrototypeOf(methods, Object.prototype);
Object.setPrototypeOf(Tensor.prototype, methods);

const plain = Object.fromEntries(
  [...functionNames, ...newerNames].map((name) => {
    const operator = new Operator(name);
    return [camelCase(name), (...args: unknown[]) => operator.call(args)];
  }),
) as unknown as Operators & NewerOperators;

/**
 * A tensor of one value. JavaScript cannot tell 1 from 1.0: a number makes float32 unless a dtype is given (in Python, a whole
 * number would make int64); bigint and boolean make int64 and bool.
 */
const full: Operators['full'] = (size: readonly number[] | number, value: Scalar, options = {}) =>
  plain.full(size as readonly number[], value, {
    ...(typeof value === 'number' ? { dtype: 'float32' } : {}),
    ...options,
  });

/**
 * Every public operator of libtorch as a function: `ops.cat([a, b], 1)`. Some came after 1.13 (`NewerOperators`), a few have gone since:
 * what the loaded libtorch lacks is an error when it is called.
 */
export const ops: Operators & NewerOperators = { ...plain, full };

const others = new Map<string, Operator>();
const known = new Map<string, boolean>();

/**
 * Calls any operator by libtorch's own name, also those the typed table leaves out: `callOperator('_foreach_add_', [...])`,
 * `callOperator('quantized::add', [...])`. Arguments by position, then an options object.
 */
export function callOperator(name: string, args: readonly unknown[]): unknown {
  let operator = others.get(name);
  if (operator === undefined) {
    operator = new Operator(name);
    others.set(name, operator);
  }
  return operator.call([...args]);
}

/** Whether the loaded libtorch has an operator, by libtorch's own name. */
export function hasOperator(name: string): boolean {
  let found = known.get(name);
  if (found === undefined) {
    found = native().describe(`aten::${name}`).length > 0;
    known.set(name, found);
  }
  return found;
}
