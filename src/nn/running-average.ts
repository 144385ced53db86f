// A running average of a module's state, moved a little at each step.
import { callOperator, noGrad, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';

/**
 * `average = (1 - share) * average + share * current`, in place, for floating-point entries; others (counters) are copied.
 * Both are state dicts of one architecture. Polyak and Juditsky 1992.
 */
export function moveAverage(
  average: Readonly<Record<string, Tensor>>,
  current: Readonly<Record<string, Tensor>>,
  share: number,
): void {
  noGrad(() =>
    tidy(() => {
      const names = Object.keys(average);
      const floating = names.filter((name) => /float/.test(average[name]!.dtype));
      const targets = floating.map((name) => average[name]!);
      callOperator('_foreach_mul_', [targets, 1 - share]);
      callOperator('_foreach_add_', [targets, floating.map((name) => current[name]!), { alpha: share }]);
      for (const name of names) if (!floating.includes(name)) average[name]!.copy_(current[name]!);
    }),
  );
}
