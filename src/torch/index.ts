// Tensors, autograd, dtypes, scopes: the engine's public face.
import { backward } from './autograd.ts';
import type { BackwardOptions } from './autograd.ts';
import { ops } from './operators.ts';
import { Tensor } from './tensor.ts';

Tensor.prototype.backward = function (this: Tensor, gradient?: Tensor, options?: BackwardOptions): void {
  backward([this], [gradient ?? null], options);
};

declare module './tensor.ts' {
  interface Tensor {
    /**
     * Accumulates gradients into the leaves of the graph behind this tensor.
     * @param gradient of this tensor's shape; may be left out for a scalar.
     */
    backward(gradient?: Tensor, options?: BackwardOptions): void;
  }
}

export {
  backward,
  clearGrads,
  enableGrad,
  grad,
  gradsOf,
  inferenceMode,
  isGradEnabled,
  noGrad,
  autocast,
  isAutocastEnabled,
  withoutAutocast,
} from './autograd.ts';
export type { BackwardOptions, GradOptions } from './autograd.ts';
export { tensor, tensorFromBytes, tensorInPieces } from './creation.ts';
export type { TensorInPieces, TensorOptions } from './creation.ts';
export { isCuda, requireDevice } from './device.ts';
export { itemSize } from './dtype.ts';
export type { ComputeDevice } from '../check.ts';
export type { Device, DType, Layout, MemoryFormat } from './dtype.ts';
export { mapLeaves } from './leaves.ts';
export type { NewerOperators } from './generated/newer-operators.ts';
export type { Operators, Scalar, TensorOperators } from './generated/operators.ts';
export { groupFromEnvironment, tasksOfJobScript } from './launchers.ts';
export type { LauncherGroup } from './launchers.ts';
export { emptyCache, liveTensors, memory, resetPeakMemory } from './memory.ts';
export type { LiveTensor, Memory } from './memory.ts';
export { callOperator, ops } from './operators.ts';
export { joinFromEnvironment, joinProcessGroup, processGroup } from './process-group.ts';
export type { ProcessGroup, ProcessGroupOptions, Reduction } from './process-group.ts';
export { Generator, getRandomState, manualSeed, setRandomState } from './random.ts';
export { keep, tidy, tidyAsync } from './scope.ts';
export { detached, Tensor, tensorsIn } from './tensor.ts';
export type { HookHandle, Nested, TypedArray } from './tensor.ts';
export { engineInfo, setThreads } from './threads.ts';

export const {
  arange,
  cat,
  einsum,
  empty,
  eye,
  full,
  linspace,
  ones,
  rand,
  randint,
  randn,
  randperm,
  stack,
  where,
  zeros,
} = ops;
