// Options that no schema is known for, or that hold others: keys in our spelling, prefixes of types gone.
import { camelKey } from '../../config/tree/index.ts';
import type { TreeNode } from '../../config/tree/index.ts';
import type { Findings } from './findings.ts';
import { withoutPrefix } from './names.ts';
import { childOf } from './place.ts';
import type { Place } from './place.ts';

/** A value with all that it holds. An address as a checkpoint gets a note: nothing is downloaded. */
export function plainOptions(place: Place, findings: Findings): TreeNode {
  const { node } = place;
  if (node.kind === 'list' || node.kind === 'tuple') {
    return { ...node, value: node.value.map((_, i) => plainOptions(childOf(place, i)!, findings)) };
  }
  if (node.kind !== 'dict') return node;
  const entries = new Map<string, TreeNode>();
  for (const [key, value] of node.value) {
    if (key === '_scope_') continue;
    const inner = childOf(place, key)!;
    if (key === 'type' && value.kind === 'str') entries.set(key, { ...value, value: withoutPrefix(value.value) });
    else if (key === 'checkpoint') entries.set(key, checkpointPath(inner, findings));
    else if (key === 'prefix' && entries.get('type')?.value === 'Pretrained') entries.set(key, withDot(value));
    else entries.set(camelKey(key), plainOptions(inner, findings));
  }
  return { ...node, value: entries };
}

/** A path of weights as it is; addresses get a note. */
export function checkpointPath(place: Place, findings: Findings): TreeNode {
  if (place.node.kind === 'str' && /^[\w+-]+:\/\//.test(place.node.value)) {
    findings.note(place, 'weights are not downloaded: get the file, and name it here in place of its address');
  }
  return place.node;
}

/** OpenMMLab takes `head` for `head.`. */
function withDot(node: TreeNode): TreeNode {
  return node.kind === 'str' && node.value !== '' && !node.value.endsWith('.')
    ? { ...node, value: `${node.value}.` }
    : node;
}
