// The number of threads that operators use, and which libtorch is loaded.
import { RetortError } from '../errors.ts';
import { native } from './native.ts';

/** Threads of one operator. Default: `RETORT_THREADS`, else every processor this process may run on. */
export function setThreads(count: number): void {
  if (!Number.isInteger(count) || count < 1) {
    throw new RetortError(`setThreads: count: expected an integer of at least 1, got ${count}`);
  }
  native().setThreads(count);
}

/** libtorch's version, whether it has CUDA, the threads in use, and whether several processes can compute together. */
export function engineInfo(): { version: string; cuda: boolean; threads: number; processes: boolean } {
  return native().info();
}
