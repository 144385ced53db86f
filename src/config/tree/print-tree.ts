// A tree as text for people: one line for each value, with the place it comes from.
import { measure } from './limits.ts';
import { showOrigin } from './node.ts';
import type { ScalarNode, TreeNode } from './node.ts';
import { showPath } from './path.ts';
import type { TreePath } from './path.ts';

export interface PrintTreeOptions {
  /** Show where each value was written. Default true. */
  origins?: boolean;
}

/**
 * Lines `path = value  # file:line:column`, in the order of the tree. Numbers, strings and lists of them stand on one line;
 * floats keep their point.
 */
export function printTree(tree: TreeNode, { origins = true }: PrintTreeOptions = {}): string {
  measure(tree);
  const lines: { text: string; origin: string }[] = [];
  const visit = (node: TreeNode, path: TreePath): void => {
    const inline = oneLine(node);
    if (inline !== undefined) lines.push({ text: `${showPath(path)} = ${inline}`, origin: showOrigin(node.origin) });
    else for (const [key, child] of entriesOf(node)) visit(child, [...path, key]);
  };
  visit(tree, []);
  const width = Math.min(72, Math.max(0, ...lines.map((line) => (line.text.length <= 72 ? line.text.length : 0))));
  return lines.map(({ text, origin }) => `${origins ? `${text.padEnd(width)}  # ${origin}` : text}\n`).join('');
}

/** A float with a point or an exponent: `1.0`, `1e-05`. */
export function showFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const text = Object.is(value, -0) ? '-0' : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

function oneLine(node: TreeNode): string | undefined {
  if (node.kind === 'dict') return node.value.size === 0 ? '{}' : undefined;
  if (node.kind !== 'list' && node.kind !== 'tuple') return scalar(node);
  const items = node.value.map(oneLine);
  if (items.includes(undefined)) return undefined;
  const inner = items.join(', ');
  return node.kind === 'list' ? `[${inner}]` : `(${inner})`;
}

function scalar(node: ScalarNode): string {
  if (node.kind === 'float') return showFloat(node.value);
  return node.kind === 'str' ? JSON.stringify(node.value) : String(node.value);
}

function entriesOf(node: TreeNode): Iterable<[string | number, TreeNode]> {
  if (node.kind === 'dict') return node.value.entries();
  return node.kind === 'list' || node.kind === 'tuple' ? node.value.entries() : [];
}
