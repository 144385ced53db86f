// How large a tree may be. Shared sub-trees count as often as they occur, so that a few lines which name one list many times
// (and that list another, ...) cannot stand for billions of values.
import { errorAt, kindName } from './node.ts';
import type { Origin, TreeKind } from './node.ts';

/** Values in a whole tree, shared ones counted at every place. */
export const maxNodes = 100_000;
/** Dicts, lists and tuples within each other. */
export const maxDepth = 100;

/** What the files of one config may be, whatever language they are written in. Real ones have a few thousand bytes. */
export const fileLimits = {
  /** Bytes of one file. */
  bytes: 256 * 1024,
  /** Characters of all files together. */
  together: 512 * 1024,
  /** Files in all; the same one again counts again. */
  files: 100,
  /** Bases within each other. */
  depth: 20,
} as const;

/** What a node holds, and how deep: 1 and 1 for a number. */
export interface Size {
  readonly nodes: number;
  readonly depth: number;
}

/** A tree, or what becomes one: containers may still be shared, changeable, and hold themselves. */
export interface Measurable {
  readonly kind: TreeKind;
  readonly value: unknown;
  readonly origin: Origin;
}

/**
 * The size of a tree, in time proportional to its distinct nodes.
 * @throws {RetortError} beyond `maxNodes` or `maxDepth`, and for a container that holds itself.
 */
export function measure(root: Measurable): Size {
  const known = new Map<Measurable, Size>();
  const open = new Set<Measurable>();

  const visit = (node: Measurable): Size => {
    if (!isContainer(node)) return { nodes: 1, depth: 1 };
    const before = known.get(node);
    if (before !== undefined) return before;
    if (open.has(node)) throw errorAt(node.origin, `${kindName(node.kind)} holds itself`);
    if (open.size >= maxDepth) throw tooDeep(node.origin);
    open.add(node);
    let nodes = 1;
    let depth = 1;
    for (const child of node.value.values()) {
      const size = visit(child);
      nodes += size.nodes;
      depth = Math.max(depth, size.depth + 1);
      if (nodes > maxNodes) throw tooLarge(node.origin);
      if (depth + open.size - 1 > maxDepth) throw tooDeep(node.origin);
    }
    open.delete(node);
    const size = { nodes, depth };
    known.set(node, size);
    return size;
  };

  return visit(root);
}

export function tooLarge(origin: Origin): Error {
  return errorAt(origin, `more than ${maxNodes.toLocaleString('en')} values, counted at every place they occur`);
}

export function tooDeep(origin: Origin): Error {
  return errorAt(origin, `nested more than ${maxDepth} deep`);
}

type Container = Measurable & { readonly value: { values(): IterableIterator<Measurable> } };

function isContainer(node: Measurable): node is Container {
  return node.kind === 'dict' || node.kind === 'list' || node.kind === 'tuple';
}
