// libtorch's operators that are written in ONNX, by name.
import { elementwise } from './operators/elementwise.ts';
import { layers } from './operators/layers.ts';
import { reductions } from './operators/reductions.ts';
import { shapes } from './operators/shapes.ts';
import type { OperatorTable, OperatorWriter } from './operators/types.ts';

export type { OperatorTable, OperatorWriter };

const table: OperatorTable = { ...elementwise, ...reductions, ...shapes, ...layers };

/** The names that {@link exportOnnx} writes, as libtorch spells them: `aten::conv2d`. */
export const writtenOperators: readonly string[] = Object.keys(table)
  .map((name) => `aten::${name}`)
  .toSorted();

/** Who writes an operator: the caller's, or ours. Those that overwrite their argument are written as those that do not. */
export function writerOf(operator: string, own: OperatorTable): OperatorWriter | undefined {
  const spellings = [operator, operator.replace(/([^_])_$/, '$1')];
  for (const name of spellings) {
    const full = name.includes('::') ? name : `aten::${name}`;
    if (Object.hasOwn(own, full)) return own[full];
    if (Object.hasOwn(own, name)) return own[name];
    if (Object.hasOwn(table, name)) return table[name];
  }
  return undefined;
}
