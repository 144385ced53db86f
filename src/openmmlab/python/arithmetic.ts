// `+ - * /`, unary minus and round(), as Python computes them: ints stay ints, `/` makes a float, round() goes to the even one.
import { errorAt, kindName } from '../../config/tree/index.ts';
import type { Origin, TreeKind } from '../../config/tree/index.ts';
import type { Budget } from '../../config/tree/budget.ts';
import type { Operator } from './syntax.ts';
import type { SequenceValue, Value } from './values.ts';

type Numeric = { readonly kind: 'int' | 'float'; readonly value: number };

/** @throws {RetortError} for kinds that do not go together, division by zero, ints beyond 2^53, results beyond 100,000 items. */
export function applyOperator(operator: Operator, left: Value, right: Value, origin: Origin, budget: Budget): Value {
  const [a, b] = [numeric(left), numeric(right)];
  if (a !== undefined && b !== undefined) return compute(operator, a, b, origin);
  if (operator === '+') {
    const joined = concatenate(left, right, origin, budget);
    if (joined !== undefined) return joined;
  }
  if (operator === '*') {
    const repeated = repeat(left, b, origin, budget) ?? repeat(right, a, origin, budget);
    if (repeated !== undefined) return repeated;
  }
  throw errorAt(origin, `${kindName(left.kind)} ${operator} ${kindName(right.kind)} cannot be computed`);
}

/** `-x` */
export function negate(value: Value, origin: Origin): Value {
  const operand = numeric(value);
  if (operand === undefined) throw errorAt(origin, `the negative of ${kindName(value.kind)} cannot be computed`);
  // 0 - x for ints, because their zero has no sign.
  return operand.kind === 'int' ? int(0 - operand.value, origin) : { kind: 'float', value: -operand.value, origin };
}

/** `round(x)`: the nearest int; of two as near the even one. */
export function roundToEven(value: Value, origin: Origin): Value {
  const operand = numeric(value);
  if (operand === undefined) throw errorAt(origin, `round() of ${kindName(value.kind)} cannot be computed`);
  const below = Math.floor(operand.value);
  const rest = operand.value - below;
  const up = rest > 0.5 || (rest === 0.5 && below % 2 !== 0);
  return int(up ? below + 1 : below, origin);
}

function compute(operator: Operator, a: Numeric, b: Numeric, origin: Origin): Value {
  if (operator === '/') {
    if (b.value === 0) throw errorAt(origin, 'division by zero');
    return { kind: 'float', value: a.value / b.value, origin };
  }
  const value = operator === '+' ? a.value + b.value : operator === '-' ? a.value - b.value : a.value * b.value;
  return a.kind === 'int' && b.kind === 'int' ? int(value, origin) : { kind: 'float', value, origin };
}

function int(value: number, origin: Origin): Value {
  if (!Number.isSafeInteger(value)) throw errorAt(origin, `the result ${value} is not an int of at most 2^53 - 1`);
  return { kind: 'int', value: value + 0, origin };
}

function concatenate(left: Value, right: Value, origin: Origin, budget: Budget): Value | undefined {
  if (left.kind === 'str' && right.kind === 'str') {
    budget.makeItems(left.value.length + right.value.length, origin);
    return { kind: 'str', value: left.value + right.value, origin };
  }
  if (!isSequence(left) || !isSequence(right) || left.kind !== right.kind) return undefined;
  budget.makeItems(left.value.length + right.value.length, origin);
  return { kind: left.kind, value: [...left.value, ...right.value], origin };
}

function repeat(value: Value, times: Numeric | undefined, origin: Origin, budget: Budget): Value | undefined {
  if (times?.kind !== 'int' || (value.kind !== 'str' && !isSequence(value))) return undefined;
  const count = Math.max(0, times.value);
  budget.makeItems(value.value.length * count, origin);
  // Copies of nothing are not counted above.
  if (value.value.length === 0 || count === 0)
    return { ...value, value: value.kind === 'str' ? '' : [], origin } as Value;
  if (value.kind === 'str') return { kind: 'str', value: value.value.repeat(count), origin };
  return { kind: value.kind, value: Array.from({ length: count }, () => value.value).flat(), origin };
}

/** Ints and floats as they are, bools as 0 and 1, and nothing else. */
function numeric(value: Value): Numeric | undefined {
  if (value.kind === 'bool') return { kind: 'int', value: Number(value.value) };
  return value.kind === 'int' || value.kind === 'float' ? value : undefined;
}

function isSequence(value: { kind: TreeKind }): value is SequenceValue {
  return value.kind === 'list' || value.kind === 'tuple';
}
