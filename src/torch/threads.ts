// The number of threads that operators use, and which libtorch is loaded.
import { integer } from '../check.ts';
import { givenThreads, native } from './native.ts';

/** Whether {@link setThreads} has said how many threads there are to be, in this thread of JavaScript. */
let set = false;

/**
 * Threads of one operator. Default: `RETORT_THREADS`, else every processor this process may run on; training and evaluation then leave
 * processors to other programs that compute on them. A number that is given is kept.
 */
export function setThreads(count: number): void {
  native().setThreads(integer('setThreads: count', count));
  set = true;
}

/** Whether the user has said how many threads there are to be. */
export function threadsGiven(): boolean {
  return set || givenThreads() !== undefined;
}

/**
 * Uses another number of threads, which the user has not asked for. Returns whether it does: where the user has given a number, or
 * another thread of JavaScript computes too, all stays as it is.
 */
export function lendThreads(count: number): boolean {
  if (threadsGiven() || native().info().environments > 1) return false;
  native().setThreads(count);
  return true;
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
