// Ctrl-C: the first asks the run to finish its step and save, a second one ends the process at once.
import { constants } from 'node:os';

export interface Interrupt extends Disposable {
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
}

export function onInterrupt(): Interrupt {
  const controller = new AbortController();
  const handle = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(128 + constants.signals[signal]);
    process.stderr.write('\nfinishing the step and saving; again to quit at once\n');
    controller.abort();
  };
  process.on('SIGINT', handle).on('SIGTERM', handle);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => void process.off('SIGINT', handle).off('SIGTERM', handle),
  };
}
