// The number of threads that operators use, and which libtorch is loaded.
import { integer } from '../check.ts';
import { native } from './native.ts';

/** Threads of one operator. Default: `RETORT_THREADS`, else every processor this process may run on. */
export function setThreads(count: number): void {
  native().setThreads(integer('setThreads: count', count));
}

/** libtorch's version, whether CUDA can be used, how many devices it has, the threads in use, and whether several processes can compute together. */
export function engineInfo(): {
  version: string;
  cuda: boolean;
  cudaDevices: number;
  threads: number;
  processes: boolean;
} {
  return native().info();
}
