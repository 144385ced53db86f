// Finds the tensors that outlived what made them.
import { liveTensors } from '../src/torch/index.ts';

/** The numbers of all tensors alive now. */
export function alive(): Set<number> {
  return new Set(liveTensors().map((live) => live.id));
}

/** What is alive beyond `before` after garbage collection, in words that name each; undefined when nothing is. */
export async function leaksSince(before: ReadonlySet<number>): Promise<string | undefined> {
  const find = () => liveTensors().filter((live) => !before.has(live.id));
  let leaked = find();
  // What variables held goes with a collection; a second one frees what finalizers let go of.
  for (let round = 0; round < 4 && leaked.length > 0; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc?.();
    leaked = find();
  }
  if (leaked.length === 0) return undefined;
  const names = leaked.slice(0, 5).map((live) => `\n  ${live.description}`);
  return `the test leaked ${leaked.length} tensors:${names.join('')}${leaked.length > 5 ? '\n  ...' : ''}`;
}
