// From text to the syntax that configs may use. The grammar is a library's; what is allowed, what literals mean and where things
// stand is decided here, so that the library can be exchanged.
import { parse } from 'py-ast';
import type { Call, ExprNode, Located, StmtNode } from 'py-ast';

import { RetortError } from '../../errors.ts';
import { errorAt } from '../../config/tree/index.ts';
import type { Origin } from '../../config/tree/index.ts';
import { maxDepth } from '../../config/tree/limits.ts';
import { constructName } from './constructs.ts';
import { scan } from './scan.ts';
import type { Scanned } from './scan.ts';
import { Source } from './source.ts';
import type { Expr, Operator, Statement, Target } from './syntax.ts';

const allowed =
  'a config may assign, with dict(...), lists, tuples, numbers, strings, names assigned before, and + - * /';
const operators: Readonly<Record<string, Operator>> = { Add: '+', Sub: '-', Mult: '*', Div: '/' };

/**
 * The statements of a Python config; `file` is what errors and origins call it.
 * @throws {RetortError} with file, line, column and the construct's name for anything that a config may not use.
 */
export function parsePython(text: string, file: string): Statement[] {
  const source = new Source(text, file);
  const scanned = scan(source);
  const converter = new Converter(source, scanned);
  return parseText(source, scanned.text).flatMap((statement) => converter.statement(statement));
}

function parseText(source: Source, text: string): StmtNode[] {
  try {
    return parse(text).body;
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    if (cause instanceof RangeError)
      throw new RetortError(`${source.file}: nested too deep to be read`, { code: 'invalid-config', cause });
    const [, line, column] = /line (\d+)(?:, column (\d+))?/.exec(cause.message) ?? [];
    const what = cause.message.replace(/ at line \d+.*$/s, '');
    const origin = source.originAt(source.offsetOf(Number(line ?? 1), Number(column ?? 0)));
    throw errorAt(origin, `this is not Python: ${what}`);
  }
}

class Converter {
  readonly #source: Source;
  readonly #scanned: Scanned;
  #depth = 0;

  constructor(source: Source, scanned: Scanned) {
    this.#source = source;
    this.#scanned = scanned;
  }

  statement(node: StmtNode): Statement[] {
    const origin = this.#origin(node);
    if (node.nodeType === 'Assign') {
      const targets = node.targets.map((target) => this.#target(target));
      return [{ kind: 'assign', targets, value: this.#expr(node.value), origin }];
    }
    if (node.nodeType === 'Delete') {
      return [{ kind: 'delete', targets: node.targets.map((target) => this.#target(target)), origin }];
    }
    const isText = node.nodeType === 'Expr' && this.#scanned.literals.get(this.#offset(node.value))?.kind === 'str';
    if (isText && node.value.nodeType === 'Constant') return [];
    throw this.#refuse(node);
  }

  #target(node: ExprNode): Target {
    const expr = node.nodeType === 'Name' || node.nodeType === 'Attribute' || node.nodeType === 'Subscript';
    const target = expr ? this.#expr(node) : undefined;
    if (target?.kind === 'name' || target?.kind === 'attribute' || target?.kind === 'item') return target;
    const what =
      target === undefined ? 'several things at once' : target.kind === 'slice' ? 'a slice' : 'a placeholder';
    throw errorAt(this.#origin(node), `${what} cannot be assigned to or deleted in a config`);
  }

  #expr(node: ExprNode): Expr {
    if (++this.#depth > maxDepth) throw errorAt(this.#origin(node), `nested more than ${maxDepth} deep`);
    const expr = this.#convert(node);
    this.#depth--;
    return expr;
  }

  #convert(node: ExprNode): Expr {
    const origin = this.#origin(node);
    switch (node.nodeType) {
      case 'Constant':
        return this.#constant(node, node.value);
      case 'Name': {
        const placeholder = this.#scanned.placeholders.get(this.#offset(node));
        return placeholder === undefined
          ? { kind: 'name', name: node.id, origin }
          : { kind: 'placeholder', placeholder, origin };
      }
      case 'Attribute':
        return { kind: 'attribute', object: this.#expr(node.value), name: node.attr, origin };
      case 'Subscript': {
        const object = this.#expr(node.value);
        if (node.slice.nodeType !== 'Slice') return { kind: 'item', object, key: this.#expr(node.slice), origin };
        const { lower, upper, step } = node.slice;
        return {
          kind: 'slice',
          object,
          bounds: [lower, upper, step].map((bound) => bound && this.#expr(bound)),
          origin,
        };
      }
      case 'List':
      case 'Tuple':
        return {
          kind: node.nodeType === 'List' ? 'list' : 'tuple',
          items: node.elts.map((item) => this.#expr(item)),
          origin,
        };
      case 'Dict': {
        const entries = node.keys.map((key, i) => {
          if (key === null)
            throw errorAt(this.#origin(node.values[i]!), 'unpacking with ** is not allowed in a config', allowed);
          return { key: this.#expr(key), value: this.#expr(node.values[i]!) };
        });
        return { kind: 'dict', entries, origin };
      }
      case 'BinOp': {
        const operator = operators[node.op.nodeType];
        if (operator === undefined) throw this.#refuse(node, node.op.nodeType);
        return { kind: 'binary', operator, left: this.#expr(node.left), right: this.#expr(node.right), origin };
      }
      case 'UnaryOp':
        if (node.op.nodeType !== 'USub') throw this.#refuse(node, node.op.nodeType);
        return { kind: 'negative', operand: this.#expr(node.operand), origin };
      case 'Call':
        return this.#call(node, origin);
      case 'ListComp': {
        const [loop, second] = node.generators;
        if (loop === undefined || second !== undefined || loop.ifs.length > 0 || loop.is_async !== 0) {
          throw errorAt(origin, 'a list comprehension with more than one plain "for" is not allowed in a config');
        }
        const target = this.#target(loop.target);
        if (target.kind !== 'name') throw errorAt(target.origin, 'a list comprehension whose variable is not a name');
        return {
          kind: 'comprehension',
          element: this.#expr(node.elt),
          name: target.name,
          items: this.#expr(loop.iter),
          origin,
        };
      }
      default:
        throw this.#refuse(node);
    }
  }

  #call(node: Call, origin: Origin): Expr {
    const callee =
      node.func.nodeType === 'Name' ? node.func.id : node.func.nodeType === 'Attribute' ? node.func.attr : '';
    if (node.func.nodeType === 'Name' && callee === 'round' && node.args.length === 1 && node.keywords.length === 0) {
      return { kind: 'round', operand: this.#expr(node.args[0]!), origin };
    }
    if (node.func.nodeType !== 'Name' || callee !== 'dict') {
      throw errorAt(
        origin,
        `a call of ${callee || 'a function'}() is not allowed in a config`,
        `${allowed}; of functions only dict() and round(x)`,
      );
    }
    if (node.args.length > 0) throw errorAt(this.#origin(node.args[0]!), 'dict() with an argument that has no name');
    const seen = new Set<string>();
    const entries = node.keywords.map(({ arg, value, ...at }) => {
      const where = this.#origin(at);
      if (arg === undefined) throw errorAt(where, 'unpacking with ** is not allowed in a config', allowed);
      if (seen.has(arg)) throw errorAt(where, `dict() has the key "${arg}" twice`);
      seen.add(arg);
      const key: Expr = { kind: 'constant', value: { kind: 'str', value: arg, origin: where }, origin: where };
      return { key, value: this.#expr(value) };
    });
    return { kind: 'dict', entries, origin };
  }

  #constant(node: ExprNode, value: unknown): Expr {
    const origin = this.#origin(node);
    if (value === null) return { kind: 'constant', value: { kind: 'none', value, origin }, origin };
    if (typeof value === 'boolean') return { kind: 'constant', value: { kind: 'bool', value, origin }, origin };
    const literal = this.#scanned.literals.get(this.#offset(node));
    if (literal === undefined) throw errorAt(origin, 'the ellipsis (...) is not allowed in a config', allowed);
    return { kind: 'constant', value: { ...literal, origin }, origin };
  }

  #refuse(node: Located, nodeType: string = node.nodeType): RetortError {
    return errorAt(this.#origin(node), `${constructName(nodeType)} is not allowed in a config`, allowed);
  }

  #offset(node: { lineno?: number; col_offset?: number }): number {
    return this.#source.offsetOf(node.lineno ?? 1, node.col_offset ?? 0);
  }

  #origin(node: { lineno?: number; col_offset?: number }): Origin {
    return this.#source.originAt(this.#offset(node));
  }
}
