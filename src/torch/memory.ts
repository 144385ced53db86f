// What is alive: counts, bytes, and the names of tensors that should not be.
import { dtypeName } from './dtype.ts';
import { isLoaded, native } from './native.ts';

/** What {@link memory} counts. */
export interface Memory {
  /** Live tensors (handles; views count too). */
  tensors: number;
  /** Bytes in use by tensors on the CPU, autograd's saved ones included. */
  bytes: number;
  /** The most that `bytes` has been since the start or {@link resetPeakMemory}. */
  peakBytes: number;
  /** Bytes freed and kept for reuse; {@link emptyCache} gives them back. */
  cachedBytes: number;
}

/** How many tensors and bytes are alive, and the most there have been. Tensors are this thread's, bytes the process's. */
export function memory(): Memory {
  return native().memory();
}

/** Starts `peakBytes` of {@link memory} anew from the bytes in use. */
export function resetPeakMemory(): void {
  native().resetPeakMemory();
}

/** Gives the memory kept for reuse back to the system. */
export function emptyCache(): void {
  native().emptyCache();
}

/** A tensor that is alive. */
export interface LiveTensor {
  /** Its handle, a number that no other tensor has. */
  id: number;
  /** `float32[2, 3] made by aten::add.Tensor`. */
  description: string;
}

/** Every live tensor, for finding leaks; none while the engine is not loaded. */
export function liveTensors(): LiveTensor[] {
  if (!isLoaded()) return [];
  return native()
    .liveTensors()
    .map(({ handle, origin, dtype, shape }) => ({
      id: handle,
      description: `${dtypeName(dtype)}${shape} made by ${origin || 'tensor()'}`,
    }));
}
