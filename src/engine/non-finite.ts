// A loss that is no number ends training at once. The error names the step, the losses, and the first tensor that went wrong.
import { RetortError } from '../errors.ts';
import type { Module } from '../nn/index.ts';
import { noGrad, tensorsIn, tidy } from '../torch/index.ts';
import type { HookHandle, Tensor } from '../torch/index.ts';

const isFinite = (tensor: Tensor): boolean => {
  if (!/float/.test(tensor.dtype)) return true;
  return noGrad(() => tidy(() => tensor.isfinite().all().item() === 1));
};

/**
 * The first place where a number went wrong: a parameter, or the output of a module whose inputs were fine.
 * @param run computes the losses once more; the modules below `root` are watched meanwhile.
 */
export function firstNonFinite(root: Module, run: () => void): string | undefined {
  for (const [name, parameter] of root.namedParameters()) {
    if (!isFinite(parameter)) return `parameter ${name}, before this step`;
  }
  let found: string | undefined;
  const hooks: HookHandle[] = [];
  for (const [name, module] of root.namedModules()) {
    if (name === '') continue;
    hooks.push(
      module.registerForwardHook((_module, args, output) => {
        // Modules end from the inside out: the first one seen is the innermost.
        if (found !== undefined || tensorsIn(output).every(isFinite)) return;
        const from = tensorsIn(args).every(isFinite)
          ? 'from finite inputs'
          : 'from inputs that were not finite already';
        found = `output of ${name} (${module.constructor.name}), ${from}`;
      }),
    );
  }
  try {
    noGrad(() => tidy(run));
  } catch {
    // What the losses say of it is in the error already.
  } finally {
    for (const hook of hooks) hook.remove();
  }
  return found;
}

/** @throws {RetortError} unless all losses are finite; `explain` is asked where the trouble began. */
export function requireFinite(
  losses: Readonly<Record<string, number>>,
  where: string,
  explain: () => string | undefined,
): void {
  const bad = Object.entries(losses).filter(([, value]) => !Number.isFinite(value));
  if (bad.length === 0) return;
  const named = bad.map(([name, value]) => `${name} is ${value}`).join(', ');
  const first = explain();
  throw new RetortError(`${where}: ${named}${first === undefined ? '' : `; first seen in ${first}`}`, {
    help: 'lower the learning rate, warm it up, clip gradients (maxGradNorm), or lower the weight of that loss',
  });
}
