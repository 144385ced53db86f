// A tree as the text of a Python config, which reads as the same tree again.
import { errorAt, measure } from '../../config/tree/index.ts';
import type { DictNode, TreeNode } from '../../config/tree/index.ts';
import { showFloat } from '../../config/tree/print-tree.ts';

const indent = '    ';
const keywords = new Set(
  `False None True and as assert async await break class continue def del elif else except finally for from global if import in
  is lambda nonlocal not or pass raise return try while with yield`.split(/\s+/),
);

/**
 * Assignments, one for each top-level key; dicts as `dict(...)` where their keys are names. Reading the text gives the tree back,
 * ints and floats, lists and tuples told apart.
 * @throws {RetortError} for a top-level key that Python cannot assign to.
 */
export function printPython(tree: DictNode): string {
  measure(tree);
  let text = '';
  for (const [key, node] of tree.value) {
    if (!isName(key) || ['_base_', 'dict', 'round'].includes(key)) {
      throw errorAt(node.origin, `printPython: "${key}" is not a name that a Python config can set`);
    }
    text += `${key} = ${expression(node, '')}\n`;
  }
  return text;
}

function expression(node: TreeNode, margin: string): string {
  switch (node.kind) {
    case 'none':
      return 'None';
    case 'bool':
      return node.value ? 'True' : 'False';
    case 'int':
      return String(node.value);
    case 'float':
      // Neither infinity nor NaN has a literal.
      return showFloat(node.value).replace('inf', '1e999').replace('nan', '(1e999 - 1e999)');
    case 'str':
      return quoted(node.value);
    case 'dict': {
      const entries = [...node.value];
      if (entries.every(([key]) => isName(key))) {
        return wrapped(
          'dict(',
          ')',
          entries.map(([key, value]) => `${key}=${expression(value, margin + indent)}`),
          margin,
        );
      }
      return wrapped(
        '{',
        '}',
        entries.map(([key, value]) => `${quoted(key)}: ${expression(value, margin + indent)}`),
        margin,
      );
    }
    default: {
      const items = node.value.map((item) => expression(item, margin + indent));
      if (node.kind === 'list') return wrapped('[', ']', items, margin);
      return items.length === 1 ? `(${items[0]},)` : wrapped('(', ')', items, margin);
    }
  }
}

/** On one line where it fits in 80 characters, else one item a line. */
function wrapped(open: string, close: string, items: readonly string[], margin: string): string {
  const line = `${open}${items.join(', ')}${close}`;
  if (line.length + margin.length <= 80 && !line.includes('\n')) return line;
  return `${open}\n${items.map((item) => `${margin}${indent}${item},\n`).join('')}${margin}${close}`;
}

function quoted(text: string): string {
  const escaped = text.replace(/[\\'\p{Cc}\p{Surrogate}\u2028\u2029]/gu, (char) => {
    if (char === '\\' || char === "'") return `\\${char}`;
    if (char === '\n') return '\\n';
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  // Apart, so that nothing in the text is taken for a placeholder.
  return `'${escaped}'`.replace(/\{(?=\{)/g, "{' + '");
}

function isName(key: string): boolean {
  return /^[A-Za-z_]\w*$/.test(key) && !keywords.has(key);
}
