// The part of Python that configs are written in, as a tree: what `parsePython` makes and the evaluator reads.
import type { Origin, ScalarNode } from '../../config/tree/index.ts';
import type { Placeholder } from './placeholders.ts';

interface At<Kind extends string> {
  readonly kind: Kind;
  readonly origin: Origin;
}

export type Operator = '+' | '-' | '*' | '/';

export type NameExpr = At<'name'> & { readonly name: string };
export type AttributeExpr = At<'attribute'> & { readonly object: Expr; readonly name: string };
export type ItemExpr = At<'item'> & { readonly object: Expr; readonly key: Expr };
export type DictExpr = At<'dict'> & { readonly entries: readonly { readonly key: Expr; readonly value: Expr }[] };

export type Expr =
  | NameExpr
  | AttributeExpr
  | ItemExpr
  /** `dict(a=1)` and `{'a': 1}` */
  | DictExpr
  | (At<'constant'> & { readonly value: ScalarNode })
  | (At<'placeholder'> & { readonly placeholder: Placeholder })
  /** `object[from:to:step]` */
  | (At<'slice'> & { readonly object: Expr; readonly bounds: readonly (Expr | undefined)[] })
  | (At<'list' | 'tuple'> & { readonly items: readonly Expr[] })
  | (At<'binary'> & { readonly operator: Operator; readonly left: Expr; readonly right: Expr })
  | (At<'negative' | 'round'> & { readonly operand: Expr })
  /** `[element for name in items]` */
  | (At<'comprehension'> & { readonly element: Expr; readonly name: string; readonly items: Expr });

/** What can be assigned to, or deleted. */
export type Target = NameExpr | AttributeExpr | ItemExpr;

export type Statement =
  /** `a = b = value` */
  | (At<'assign'> & { readonly targets: readonly Target[]; readonly value: Expr })
  | (At<'delete'> & { readonly targets: readonly Target[] });
