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
  // What variables held goes with a collection; a second one frees what finalizers let go of. A compiler of V8 at work on
  // another thread holds what it looks at for as long as it takes: wait a little longer each time.
  for (let round = 0; round < 12 && leaked.length > 0; round++) {
    await new Promise((resolve) => setTimeout(resolve, round * round));
    globalThis.gc?.();
    leaked = find();
  }
  if (leaked.length === 0) return undefined;
  const names = leaked.slice(0, 5).map((live) => `\n  ${live.description}`);
  return `the test leaked ${leaked.length} tensors:${names.join('')}${leaked.length > 5 ? '\n  ...' : ''}`;
}
