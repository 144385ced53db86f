// Gradients: backward, grad, and the modes in which operations are not recorded.
import { RetortError } from '../errors.ts';
import { requireDType } from './dtype.ts';
import type { DType } from './dtype.ts';
import { engineError } from './dispatch.ts';
import { native } from './native.ts';
import { selectScope } from './scope.ts';
import { tapeFor } from './tape.ts';
import { liveHandle, Tensor } from './tensor.ts';

export interface BackwardOptions {
  /** Keep the graph for another backward. Default: the value of `createGraph`. */
  retainGraph?: boolean;
  /** Record the backward itself, for gradients of gradients. Default false. */
  createGraph?: boolean;
  /** Accumulate into these leaves only. Default: all. */
  inputs?: readonly Tensor[];
}

/** Writes lists of tensors on the tape, each as a count and handles (0 for none). */
export function writeLists(...lists: (readonly (Tensor | null)[])[]): void {
  let at = 0;
  for (const list of lists) {
    const tape = tapeFor(at, list.length + 1);
    tape[at++] = list.length;
    for (const item of list) tape[at++] = item === null ? 0 : liveHandle(item);
  }
}

function rethrown<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    if ((error as { code?: string }).code === 'RETORT_ENGINE') throw engineError((error as Error).message);
    throw error;
  }
}

/**
 * Accumulates the gradients of `roots` into the `grad` of every leaf that requires one.
 * @param gradients one per root, of its shape; may be left out (null) for scalars.
 */
export function backward(
  roots: readonly Tensor[],
  gradients: readonly (Tensor | null)[] = roots.map(() => null),
  options: BackwardOptions = {},
): void {
  const { createGraph = false, retainGraph = createGraph, inputs = [] } = options;
  writeLists(roots, gradients, inputs);
  rethrown(() => native().backward(retainGraph, createGraph));
}

export interface GradOptions {
  /** Weights of the outputs, of their shapes. Default: ones, for scalars. */
  gradOutputs?: readonly (Tensor | null)[];
  retainGraph?: boolean;
  createGraph?: boolean;
  /** Give null for an input the outputs do not depend on, instead of an error. Default false. */
  allowUnused?: boolean;
}

/** The gradients of `outputs` with respect to `inputs`, one per input; leaves no trace in `grad`. */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions = {},
): (Tensor | null)[] {
  const { createGraph = false, retainGraph = createGraph, allowUnused = false } = options;
  const { gradOutputs = outputs.map(() => null) } = options;
  selectScope();
  writeLists(outputs, gradOutputs, inputs);
  rethrown(() => native().grad(retainGraph, createGraph, allowUnused));
  return readHandles(1, inputs.length);
}

/** The `grad` of each tensor, or null. */
export function gradsOf(tensors: readonly Tensor[]): (Tensor | null)[] {
  selectScope();
  writeLists(tensors);
  native().grads();
  return readHandles(1, tensors.length);
}

/** Sets the `grad` of each tensor to null. */
export function clearGrads(tensors: readonly Tensor[]): void {
  writeLists(tensors);
  native().clearGrads();
}

function readHandles(at: number, count: number): (Tensor | null)[] {
  const handles = Array.from(tapeFor(0, count).subarray(at, at + count));
  return handles.map((handle) => (handle === 0 ? null : new Tensor(handle)));
}

function synchronous<T>(result: T, name: string): T {
  if (!(result instanceof Promise)) return result;
  result.catch(() => {});
  throw new RetortError(`${name}: the function returned a promise; what runs after its first await would be outside`, {
    help: `call ${name} around the synchronous parts`,
  });
}

function withGrad<T>(enabled: boolean, fn: () => T, name: string): T {
  const before = native().setGradEnabled(enabled);
  try {
    return synchronous(fn(), name);
  } finally {
    native().setGradEnabled(before);
  }
}

/** Runs `fn` without recording operations for gradients. */
export function noGrad<T>(fn: () => T): T {
  return withGrad(false, fn, 'noGrad');
}

/** Runs `fn` with recording on, inside a `noGrad`. */
export function enableGrad<T>(fn: () => T): T {
  return withGrad(true, fn, 'enableGrad');
}

export function isGradEnabled(): boolean {
  return native().gradEnabled();
}

/**
 * Runs `fn` in libtorch's inference mode. Its tensors can never take part in a graph ("Inference tensors cannot be saved for
 * backward"): for a teacher whose outputs enter a loss, use {@link noGrad}.
 */
export function inferenceMode<T>(fn: () => T): T {
  native().enterInference();
  try {
    return synchronous(fn(), 'inferenceMode');
  } finally {
    native().exitInference();
  }
}

/** Runs `fn` with CPU autocast: convolutions and matrix products compute in `dtype` (default bfloat16). */
export function autocast<T>(fn: () => T, dtype: DType = 'bfloat16'): T {
  const number = requireDType(dtype, 'autocast: dtype');
  const before = native().setAutocast(true, number);
  try {
    return synchronous(fn(), 'autocast');
  } finally {
    native().setAutocast(before, number);
  }
}
