// Gradients: backward, grad, and the modes in which operations are not recorded.
import { describeValue, RetortError } from '../errors.ts';
import { isCuda, requireDevice } from './device.ts';
import { requireDType } from './dtype.ts';
import type { Device, DType } from './dtype.ts';
import { during } from './modes.ts';
import { native } from './native.ts';
import { selectScope } from './scope.ts';
import { callBufferFor } from './call-buffer.ts';
import { liveHandle, Tensor } from './tensor.ts';

/** Options of {@link backward}. */
export interface BackwardOptions {
  /** Keep the graph for another backward. Default: the value of `createGraph`. */
  retainGraph?: boolean;
  /** Record the backward itself, for gradients of gradients. Default false. */
  createGraph?: boolean;
  /** Accumulate into these leaves only. Default: all. */
  inputs?: readonly Tensor[];
}

/** Writes lists of tensors on the call buffer, each as a count and handles (0 for none). All are read before the first is written. */
export function writeLists(...lists: (readonly (Tensor | null)[])[]): void {
  const handles = lists.map((list) => Array.from(list, (item) => (item === null ? 0 : liveHandle(item))));
  let at = 0;
  for (const list of handles) {
    const buffer = callBufferFor(at, list.length + 1);
    buffer[at++] = list.length;
    for (const handle of list) buffer[at++] = handle;
  }
}

/** @throws {RetortError} unless it is a list of tensors (or null, where `orNull`). */
function requireTensors(where: string, list: unknown, orNull = false): void {
  if (!Array.isArray(list)) {
    throw new RetortError(`${where}: expected a list of tensors, got ${describeValue(list)}`, {
      help: 'put a single one in brackets: [x]',
    });
  }
  for (const [i, item] of list.entries()) {
    if (item instanceof Tensor || (orNull && item === null)) continue;
    throw new RetortError(`${where}[${i}]: expected a tensor${orNull ? ' or null' : ''}, got ${describeValue(item)}`);
  }
}

/**
 * Accumulates the gradients of `roots` into the `grad` of every leaf that requires one.
 * @param gradients one per root, of its shape; may be left out (null) for scalars.
 * @throws {RetortError} for what is not a list of tensors, and `engine` where a root requires no gradient or the graph is gone.
 *
 * @example
 * ```ts
 * const x = tensor([1, 2], { requiresGrad: true });
 * backward([x.square().sum()]); // x.grad is [2, 4]
 * ```
 */
export function backward(
  roots: readonly Tensor[],
  gradients: readonly (Tensor | null)[] = Array.isArray(roots) ? roots.map(() => null) : [],
  options: BackwardOptions = {},
): void {
  const { createGraph = false, retainGraph = createGraph, inputs = [] } = options;
  requireTensors('backward: roots', roots);
  requireTensors('backward: gradients', gradients, true);
  requireTensors('backward: inputs', inputs);
  writeLists(roots, gradients, inputs);
  native().backward(retainGraph, createGraph);
}

/** Options of {@link grad}. */
export interface GradOptions {
  /** Weights of the outputs, of their shapes. Default: ones, for scalars. */
  gradOutputs?: readonly (Tensor | null)[];
  /** Keep the graph for another backward. Default: the value of `createGraph`. */
  retainGraph?: boolean;
  /** Record the backward itself, for gradients of gradients. Default false. */
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
  const { gradOutputs = Array.isArray(outputs) ? outputs.map(() => null) : [] } = options;
  requireTensors('grad: outputs', outputs);
  requireTensors('grad: gradOutputs', gradOutputs, true);
  requireTensors('grad: inputs', inputs);
  selectScope();
  writeLists(outputs, gradOutputs, inputs);
  native().grad(retainGraph, createGraph, allowUnused);
  return readHandles(1, inputs.length);
}

/** The `grad` of each tensor, or null. */
export function gradsOf(tensors: readonly Tensor[]): (Tensor | null)[] {
  requireTensors('gradsOf: tensors', tensors);
  selectScope();
  writeLists(tensors);
  native().grads();
  return readHandles(1, tensors.length);
}

/** Sets the `grad` of each tensor to null. */
export function clearGrads(tensors: readonly Tensor[]): void {
  requireTensors('clearGrads: tensors', tensors);
  writeLists(tensors);
  native().clearGrads();
}

function readHandles(at: number, count: number): (Tensor | null)[] {
  const handles = Array.from(callBufferFor(0, count).subarray(at, at + count));
  return handles.map((handle) => (handle === 0 ? null : new Tensor(handle)));
}

function withGrad<T>(name: string, enabled: boolean, fn: () => T): T {
  return during(name, fn, {
    enter: () => native().setGradEnabled(enabled),
    leave: (before) => void native().setGradEnabled(before),
  });
}

/**
 * Runs `fn` without recording operations for gradients.
 * @throws {RetortError} `async-function` when `fn` is asynchronous.
 *
 * @example
 * ```ts
 * const x = ones([2], { requiresGrad: true });
 * const y = noGrad(() => x.mul(2)); // y.requiresGrad is false
 * ```
 */
export function noGrad<T>(fn: () => T): T {
  return withGrad('noGrad', false, fn);
}

/** Runs `fn` with recording on, inside a `noGrad`. @throws {RetortError} when `fn` is asynchronous. */
export function enableGrad<T>(fn: () => T): T {
  return withGrad('enableGrad', true, fn);
}

/** Whether operations are recorded for gradients now: true, unless inside {@link noGrad} or {@link inferenceMode}. */
export function isGradEnabled(): boolean {
  return native().gradEnabled();
}

/**
 * Runs `fn` in libtorch's inference mode. Its tensors can never take part in a graph ("Inference tensors cannot be saved for
 * backward"): for a teacher whose outputs enter a loss, use {@link noGrad}.
 * @throws {RetortError} when `fn` is asynchronous.
 */
export function inferenceMode<T>(fn: () => T): T {
  return during('inferenceMode', fn, {
    enter: () => native().enterInference(),
    leave: () => native().exitInference(),
  });
}

/**
 * Runs `fn` with autocast: convolutions and matrix products on that kind of device compute in `dtype`. Inside another one of that kind,
 * the inner dtype counts until it ends.
 * @param dtype default bfloat16. Also float16: on CUDA, and on a CPU from libtorch 2.4 on. Its range is small: gradients may vanish.
 * @param device default `'cpu'`; of `'cuda:1'` the kind counts.
 * @throws {RetortError} when libtorch does not compute in that dtype, there is no such device, or `fn` is asynchronous; autocast is then
 *   as before.
 */
export function autocast<T>(fn: () => T, dtype: DType = 'bfloat16', device: Device = 'cpu'): T {
  const number = requireDType(dtype, 'autocast: dtype');
  const cuda = isCuda(requireDevice(device, 'autocast: device'));
  return during('autocast', fn, {
    enter: () => native().setAutocast(number, cuda),
    leave: (before) => void native().setAutocast(before, cuda),
  });
}

/** Runs a function outside of any {@link autocast}, of any device: what it computes has the dtypes of what it computes with. */
export function withoutAutocast<T>(fn: () => T): T {
  return during('withoutAutocast', fn, {
    enter: () => [false, true].map((cuda) => native().setAutocast(autocastOff, cuda)),
    leave: (before) => before.forEach((state, i) => void native().setAutocast(state, i === 1)),
  });
}

/** Whether convolutions and matrix products are computed in another dtype just now: inside {@link autocast}, of any device. */
export function isAutocastEnabled(): boolean {
  return [false, true].some((cuda) => {
    const before = native().setAutocast(autocastOff, cuda);
    native().setAutocast(before, cuda);
    return before !== autocastOff;
  });
}

/** What the addon calls no autocast. */
const autocastOff = -1;
