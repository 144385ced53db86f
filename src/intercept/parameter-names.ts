// Reads the names of a function's parameters from its text.
import { parseExpressionAt } from 'acorn';
import type { Function as FunctionNode, ObjectExpression, Pattern, Property } from 'acorn';

/** `['x', 'mask']`; a destructured parameter is `_`. Empty for built-in functions and where the text is not a function. */
export function parameterNames(called: (...args: never[]) => unknown): readonly string[] {
  const text = Function.prototype.toString.call(called);
  return (functionIn(`(${text})`) ?? methodIn(`({${text}})`))?.params.map(nameOf) ?? [];
}

function functionIn(text: string): FunctionNode | undefined {
  const node = parse(text);
  return node?.type === 'FunctionExpression' || node?.type === 'ArrowFunctionExpression' ? node : undefined;
}

function methodIn(text: string): FunctionNode | undefined {
  const node = parse(text) as ObjectExpression | undefined;
  return (node?.properties[0] as Property | undefined)?.value as FunctionNode | undefined;
}

function parse(text: string): ReturnType<typeof parseExpressionAt> | undefined {
  try {
    return parseExpressionAt(text, 0, { ecmaVersion: 'latest' });
  } catch {
    return undefined;
  }
}

function nameOf(parameter: Pattern): string {
  switch (parameter.type) {
    case 'Identifier':
      return parameter.name;
    case 'AssignmentPattern':
      return nameOf(parameter.left);
    case 'RestElement':
      return `...${nameOf(parameter.argument)}`;
    default:
      return '_';
  }
}
