// The stack of taps of each place, one for everybody: recorders and deliveries, student and teacher, copies of this package.
import { shared } from './shared.ts';
import { TapStack } from './tap-stack.ts';
import type { Place } from './tap-stack.ts';

type Stacks = WeakMap<object, Map<PropertyKey, TapStack>>;

/** The stack for the place that `owner` and `name` stand for; `place` describes it, when there is none yet. */
export function stackFor(owner: object, name: PropertyKey, place: () => Place): TapStack {
  const stacks = shared<Stacks>('tap-stacks', () => new WeakMap());
  let ofOwner = stacks.get(owner);
  if (ofOwner === undefined) stacks.set(owner, (ofOwner = new Map()));
  let stack = ofOwner.get(name);
  if (stack === undefined) ofOwner.set(name, (stack = new TapStack(place())));
  return stack;
}
