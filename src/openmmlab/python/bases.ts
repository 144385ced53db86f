// `_base_ = [...]`: which files a config inherits from.
import { dictNode, errorAt, kindName } from '../../config/tree/index.ts';
import type { Origin } from '../../config/tree/index.ts';
import { Evaluator } from './evaluate.ts';
import type { EvaluatorOptions } from './evaluate.ts';
import type { Expr, Statement } from './syntax.ts';
import { thaw } from './values.ts';

/** A base as it is written, a relative path or `pkg::path`. */
export interface BaseName {
  readonly name: string;
  readonly origin: Origin;
}

export interface SplitStatements {
  readonly bases: readonly BaseName[];
  /** All statements but those that assign to `_base_`. */
  readonly rest: readonly Statement[];
  /** Where `_base_` is assigned again: as in mmengine, only the first counts. */
  readonly ignored: readonly Origin[];
}

/** The bases that statements name, and the other statements. @throws {RetortError} for a `_base_` that is not a path. */
export function basesOf(statements: readonly Statement[], options: Omit<EvaluatorOptions, 'base'>): SplitStatements {
  const rest: Statement[] = [];
  const ignored: Origin[] = [];
  let bases: BaseName[] | undefined;
  for (const statement of statements) {
    const [target] = statement.targets;
    if (statement.kind === 'assign' && target?.kind === 'name' && target.name === '_base_') {
      if (bases === undefined) bases = namesIn(statement.value, options);
      else ignored.push(statement.origin);
    } else rest.push(statement);
  }
  return { bases: bases ?? [], rest, ignored };
}

/** Bases are read before the file, so that nothing of the file can be used in their names. */
function namesIn(expr: Expr, options: Omit<EvaluatorOptions, 'base'>): BaseName[] {
  const base = thaw(dictNode([], expr.origin), options.budget);
  const value = new Evaluator({ ...options, base }).evaluate(expr);
  const names = value.kind === 'list' || value.kind === 'tuple' ? value.value : [value];
  return names.map((name) => {
    if (name.kind === 'str') return { name: name.value, origin: name.origin };
    throw errorAt(name.origin, `a base is a path in a string, got ${kindName(name.kind)}`);
  });
}
