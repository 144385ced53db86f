// Checks of the shapes that losses are given. Shapes that would silently broadcast are refused; the error names the loss, the
// arguments and both shapes, and the connector that would bring one to the other.
import { showShape as shown } from '../../../check.ts';
import { RetortError } from '../../../errors.ts';
import type { Tensor } from '../../../torch/index.ts';

export { shown };

/** An argument of a loss by its name. */
export type Named = readonly [name: string, tensor: Tensor];

const equal = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, i) => size === b[i]);

/** @throws {RetortError} when the shapes differ, naming the connector that would help. */
export function requireSameShape(loss: string, a: Named, b: Named): void {
  const [left, right] = [a[1].shape, b[1].shape];
  if (equal(left, right)) return;
  const connector = suggestConnector(left, right);
  throw new RetortError(
    `${loss}: ${a[0]} and ${b[0]}: expected the same shape, got ${shown(left)} and ${shown(right)}`,
    {
      help: `bring ${a[0]} to the shape of ${b[0]} with a connector${connector === undefined ? '' : `, such as ${connector}`}`,
    },
  );
}

/** @throws {RetortError} when the number of samples (dimension 0) differs. */
export function requireSameBatch(loss: string, a: Named, b: Named): void {
  const [left, right] = [a[1].shape, b[1].shape];
  if (left.length > 0 && right.length > 0 && left[0] === right[0]) return;
  throw new RetortError(
    `${loss}: ${a[0]} and ${b[0]}: expected the same number of samples, got ${shown(left)} and ${shown(right)}`,
    { help: 'record both in the same step, from networks that see the same batch' },
  );
}

/** @throws {RetortError} when samples or positions differ, that is all but the channels, dimension 1. */
export function requireSamePlaces(loss: string, a: Named, b: Named): void {
  const [left, right] = [a[1].shape, b[1].shape];
  const wanted = [...left.slice(0, 1), ...right.slice(1, 2), ...left.slice(2)];
  if (left.length > 1 && left.length === right.length && equal(wanted, right)) return;
  const connector = suggestConnector(left, [...right.slice(0, 1), ...left.slice(1, 2), ...right.slice(2)]);
  throw new RetortError(
    `${loss}: ${a[0]} and ${b[0]}: expected the same samples and positions (N, C, ...), got ${shown(left)} and ${shown(right)}`,
    {
      help: `bring ${a[0]} to the positions of ${b[0]} with a connector${connector === undefined ? '' : `, such as ${connector}`}`,
    },
  );
}

/** @throws {RetortError} unless the tensor has one of these numbers of dimensions; `layout` says how they are read. */
export function requireRank(loss: string, [name, tensor]: Named, ranks: readonly number[], layout: string): void {
  const { shape } = tensor;
  if (ranks.includes(shape.length)) return;
  throw new RetortError(`${loss}: ${name}: expected ${layout}, got shape ${shown(shape)}`, {
    help: 'record another module, or reshape with a connector',
  });
}

/**
 * The connector config that would bring `from` to `to`: the channels first, then the positions. Undefined where none of the
 * built-in ones does it.
 */
export function suggestConnector(from: readonly number[], to: readonly number[]): string | undefined {
  if (from[0] !== to[0] || from.length < 2) return undefined;
  if (from.length === 2 && to.length === 2) {
    return `{ type: 'TorchNNConnector', moduleName: 'Linear', moduleArgs: { inFeatures: ${from[1]}, outFeatures: ${to[1]} } }`;
  }
  if (from.length !== 4 || to.length !== 4) return undefined;
  const steps: string[] = [];
  if (from[1] !== to[1]) {
    steps.push(`{ type: 'ConvModuleConnector', inChannels: ${from[1]}, outChannels: ${to[1]}, actCfg: null }`);
  }
  if (from[2] !== to[2] || from[3] !== to[3]) {
    const size = `size: [${to[2]}, ${to[3]}]`;
    steps.push(
      `{ type: 'TorchFunctionalConnector', functionName: 'interpolate', funcArgs: { ${size}, mode: 'bilinear' } }`,
    );
  }
  return steps.length > 1 ? `[${steps.join(', ')}]` : steps[0];
}
