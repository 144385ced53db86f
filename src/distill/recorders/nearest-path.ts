// Which path was meant: the nearest names of a path that a model does not have.
import { nearest } from '../../errors.ts';

/** `did you mean "backbone.layer4.1.conv2"?`, or what there is below the part of the path that is right. */
export function nearestPath(path: string, names: readonly string[]): string {
  const meant = suggestions(path, names).slice(0, 3);
  if (meant.length > 0) return `did you mean ${meant.map((name) => `"${name}"`).join(' or ')}?`;
  const children = childrenOf(names);
  let right = '';
  for (const part of path.split('.')) {
    if (children.get(right)?.has(part) !== true) break;
    right = join(right, part);
  }
  const parts = [...(children.get(right) ?? [])];
  if (parts.length === 0) return right === '' ? 'there are none' : `there is nothing below "${right}"`;
  const shown = parts
    .slice(0, 12)
    .map((part) => `"${part}"`)
    .join(', ');
  return `${right === '' ? 'there are' : `below "${right}" there are`}: ${shown}${parts.length > 12 ? ', ...' : ''}`;
}

function suggestions(path: string, names: readonly string[]): string[] {
  const known = new Set(names);
  // The right end of a longer path (`backbone.` was left out), then a misspelt part or several, each under its right parent.
  const ends = names.filter((name) => name.endsWith(`.${path}`));
  const children = childrenOf(names);
  const repaired = repair('', path.split('.'), children).filter((name) => known.has(name));
  const near = [...new Set([...ends, ...repaired])];
  if (near.length > 0) return near;
  // Where the parent is right, letters of the whole path say nothing: they agree with its other children.
  const dot = path.lastIndexOf('.');
  const whole = children.has(path.slice(0, Math.max(0, dot))) ? [] : nearest(path, names);
  if (whole.length > 0) return whole;
  // The right last part elsewhere, first where most of the path agrees.
  const last = path.slice(dot + 1);
  return names
    .filter((name) => name === last || name.endsWith(`.${last}`))
    .sort((a, b) => agreement(b, path) - agreement(a, path));
}

/** Every path that is `parts` with some of them replaced by a near sibling; nearest first. */
function repair(
  parent: string,
  parts: readonly string[],
  children: ReadonlyMap<string, ReadonlySet<string>>,
): string[] {
  const [part, ...rest] = parts;
  if (part === undefined) return [parent];
  const siblings = children.get(parent);
  if (siblings === undefined) return [];
  const meant = siblings.has(part) ? [part] : nearest(part, siblings);
  return meant.flatMap((name) => repair(join(parent, name), rest, children));
}

/** The parts below each path. */
function childrenOf(names: readonly string[]): Map<string, Set<string>> {
  const children = new Map<string, Set<string>>();
  for (const name of names) {
    let parent = '';
    for (const part of name.split('.')) {
      const parts = children.get(parent) ?? new Set<string>();
      children.set(parent, parts.add(part));
      parent = join(parent, part);
    }
  }
  return children;
}

/** How many parts two paths share at their beginning. */
function agreement(a: string, b: string): number {
  const [left, right] = [a.split('.'), b.split('.')];
  let i = 0;
  while (i < left.length && left[i] === right[i]) i++;
  return i;
}

function join(parent: string, part: string): string {
  return parent === '' ? part : `${parent}.${part}`;
}
