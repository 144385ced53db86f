// One transform of a pipeline while it is read, and what several of them need.
import type { TreeNode } from '../../config/tree/index.ts';
import type { Context } from './context.ts';
import type { Fields } from './fields.ts';
import type { Place } from './place.ts';
import type { ChannelOrder } from './preprocessor.ts';

/** A transform as it is being read. */
export interface Step {
  readonly place: Place;
  readonly fields: Fields;
  /** The order that the channels have in OpenMMLab at this point. */
  readonly order: ChannelOrder;
}
/** A color in the order of the images at this point, as RGB. */
export function color(place: Place | undefined, order: ChannelOrder): TreeNode | undefined {
  const { node } = place ?? {};
  if (node?.kind !== 'list' && node?.kind !== 'tuple') return node;
  return order === 'bgr' && node.value.length === 3 ? { ...node, value: node.value.toReversed() } : node;
}

/** An option that has only one value here. */
export function refuseUnless(
  { findings }: Context,
  fields: Fields,
  key: string,
  only: string | number | boolean,
): void {
  const found = fields.get(key);
  if (found === undefined || found.node.value === only) return;
  findings.mistake(found, `${key} is ${JSON.stringify(only)} here, always`);
}
