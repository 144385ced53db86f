// Runs the statements of one config file, without Python: there are names, values, and nothing else to reach.
import type { RetortError } from '../../errors.ts';
import { errorAt, kindName, showOrigin } from '../../config/tree/index.ts';
import type { Origin } from '../../config/tree/index.ts';
import { checkKey } from '../../config/tree/node.ts';
import { applyOperator, negate, roundToEven } from './arithmetic.ts';
import type { Budget } from '../../config/tree/budget.ts';
import { getItem, getKey, getSlice, position, stringKey } from './items.ts';
import { parsePython } from './parse.ts';
import { fillString, readEnv, wholeBasePath } from './placeholders.ts';
import type { Placeholder, Surroundings } from './placeholders.ts';
import { suggest } from './suggest.ts';
import type { Expr, Statement, Target } from './syntax.ts';
import type { DictValue, Value } from './values.ts';

export interface EvaluatorOptions {
  /** What `_base_` means in this file; changes through it are seen afterwards. */
  base: DictValue;
  /** Whether some of the bases are missing: dicts that `_base_` would have had are made, empty, as they are asked for. */
  incomplete?: boolean;
  budget: Budget;
  surroundings: Surroundings;
}

export class Evaluator {
  /** What has been assigned, in order. */
  readonly names = new Map<string, Value>();
  readonly #base: DictValue;
  readonly #budget: Budget;
  readonly #surroundings: Surroundings;
  /** The dicts that have what nobody knows, because a base is missing. */
  readonly #open = new Set<Value>();

  constructor({ base, incomplete = false, budget, surroundings }: EvaluatorOptions) {
    this.#base = base;
    if (incomplete) this.#open.add(base);
    this.#budget = budget;
    this.#surroundings = surroundings;
  }

  run(statements: readonly Statement[]): void {
    for (const statement of statements) {
      if (statement.kind === 'delete') {
        for (const target of statement.targets) this.#delete(target);
        continue;
      }
      const value = this.evaluate(statement.value);
      for (const target of statement.targets) this.#assign(target, value);
    }
  }

  evaluate(expr: Expr): Value {
    const { origin } = expr;
    this.#budget.spend(1, origin);
    switch (expr.kind) {
      case 'constant':
        return expr.value.kind === 'str' && expr.value.value.includes('{{')
          ? this.#fill(expr.value.value, origin)
          : expr.value;
      case 'placeholder':
        return this.#placeholder(expr.placeholder, origin);
      case 'name':
        return this.#name(expr.name, origin);
      case 'attribute':
        return this.#attribute(this.#dict(this.evaluate(expr.object), expr.name, origin), expr.name, origin);
      case 'item':
        return getItem(this.evaluate(expr.object), this.evaluate(expr.key), origin, this.#budget);
      case 'slice': {
        const object = this.evaluate(expr.object);
        return getSlice(
          object,
          expr.bounds.map((bound) => bound && this.evaluate(bound)),
          origin,
          this.#budget,
        );
      }
      case 'list':
      case 'tuple':
        return { kind: expr.kind, value: expr.items.map((item) => this.evaluate(item)), origin };
      case 'dict': {
        const value = new Map<string, Value>();
        for (const entry of expr.entries) {
          const key = stringKey(this.evaluate(entry.key));
          checkKey(key, entry.key.origin);
          value.set(key, this.evaluate(entry.value));
        }
        return { kind: 'dict', value, origin };
      }
      case 'binary':
        return applyOperator(expr.operator, this.evaluate(expr.left), this.evaluate(expr.right), origin, this.#budget);
      case 'negative':
        return negate(this.evaluate(expr.operand), origin);
      case 'round':
        return roundToEven(this.evaluate(expr.operand), origin);
      default:
        return this.#comprehension(expr.element, expr.name, this.evaluate(expr.items), origin);
    }
  }

  #attribute(object: DictValue, name: string, origin: Origin): Value {
    if (!this.#open.has(object) || object.value.has(name)) return getKey(object, name, origin);
    checkKey(name, origin);
    const made: DictValue = { kind: 'dict', value: new Map(), origin };
    object.value.set(name, made);
    this.#open.add(made);
    return made;
  }

  /** The loop's variable is its own: a name of the file is hidden, and there again afterwards. */
  #comprehension(element: Expr, name: string, items: Value, origin: Origin): Value {
    if (items.kind !== 'list' && items.kind !== 'tuple') {
      throw errorAt(origin, `a comprehension goes over a list or tuple, got ${kindName(items.kind)}`);
    }
    const hidden = this.names.get(name);
    const value = items.value.map((item) => {
      this.names.set(name, item);
      return this.evaluate(element);
    });
    if (hidden === undefined) this.names.delete(name);
    else this.names.set(name, hidden);
    return { kind: 'list', value, origin };
  }

  #assign(target: Target, value: Value): void {
    const { origin } = target;
    if (target.kind === 'name') {
      if (['dict', 'round', '_base_'].includes(target.name))
        throw errorAt(origin, `"${target.name}" cannot be assigned to`);
      checkKey(target.name, origin);
      this.names.set(target.name, value);
      return;
    }
    const object = this.evaluate(target.object);
    if (target.kind === 'attribute') {
      this.#dict(object, target.name, origin).value.set(target.name, value);
      return;
    }
    const key = this.evaluate(target.key);
    if (object.kind === 'list') object.value[position(object, key, origin)] = value;
    else if (object.kind === 'dict') {
      checkKey(stringKey(key), origin);
      object.value.set(stringKey(key), value);
    } else throw errorAt(origin, `the items of ${kindName(object.kind)} cannot be assigned to`);
  }

  #delete(target: Target): void {
    const { origin } = target;
    if (target.kind === 'name') {
      if (!this.names.delete(target.name)) throw this.#unknown(target.name, origin);
      return;
    }
    const object = this.evaluate(target.object);
    const key: Value = target.kind === 'item' ? this.evaluate(target.key) : { kind: 'str', value: target.name, origin };
    if (object.kind === 'list') {
      this.#budget.spend(object.value.length, origin);
      object.value.splice(position(object, key, origin), 1);
    } else if (object.kind === 'dict') {
      getKey(object, stringKey(key), origin);
      object.value.delete(stringKey(key));
    } else throw errorAt(origin, `nothing can be deleted from ${kindName(object.kind)}`);
  }

  #name(name: string, origin: Origin): Value {
    const value = name === '_base_' ? this.#base : this.names.get(name);
    if (value === undefined) throw this.#unknown(name, origin);
    return value;
  }

  #unknown(name: string, origin: Origin): RetortError {
    return errorAt(origin, `"${name}" has not been assigned before; ${suggest(name, this.names.keys())}`);
  }

  #dict(object: Value, attribute: string, origin: Origin): DictValue {
    if (attribute.startsWith('__')) throw errorAt(origin, `the attribute ${attribute} is not allowed in a config`);
    if (object.kind !== 'dict') throw errorAt(origin, `${kindName(object.kind)} has no attribute "${attribute}"`);
    return object;
  }

  #fill(text: string, origin: Origin): Value {
    const keys = wholeBasePath(text);
    if (keys !== undefined) return this.#placeholder({ kind: 'base', keys }, origin);
    const grown = (length: number): void => this.#budget.makeItems(length, origin);
    const value = fillString(text, { ...this.#surroundings, origin, grown });
    return { kind: 'str', value, origin };
  }

  #placeholder(placeholder: Placeholder, origin: Origin): Value {
    if (placeholder.kind === 'base') {
      let value: Value = this.#base;
      for (const key of placeholder.keys) value = getKey(this.#dict(value, key, origin), key, origin);
      return value;
    }
    const text = readEnv(placeholder.name, placeholder.fallback, this.#surroundings.env, origin);
    this.#budget.spend(text.length, origin);
    const [statement, ...more] = parsePython(`_ = ${text}`, `${showOrigin(origin)}: the value of ${placeholder.name}`);
    if (statement?.kind !== 'assign' || statement.targets.length !== 1 || more.length > 0) {
      throw errorAt(origin, `the value of ${placeholder.name} is not a single value`);
    }
    return { ...this.evaluate(statement.value), origin };
  }
}
