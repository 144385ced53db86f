// Ctrl-C, SIGTERM and a closed terminal: the run finishes its step, saves and ends. A second Ctrl-C or SIGTERM ends it at once.
import { constants } from 'node:os';

/** Signals that ask a run to save and end. */
export const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What a process ends with that a signal has ended, or that has ended because of one. */
export const exitCodeOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

export interface Interrupt extends Disposable {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** What the process is to end with after that. */
  readonly exitCode: number;
}

export function onInterrupt(): Interrupt {
  const controller = new AbortController();
  let first: NodeJS.Signals = 'SIGINT';
  let asked = 0;
  const handle = (signal: NodeJS.Signals): void => {
    // A terminal that closes sends SIGHUP more than once, and a shell one of its own.
    if (signal !== 'SIGHUP' && ++asked > 1) process.exit(exitCodeOf(signal));
    if (controller.signal.aborted) return;
    first = signal;
    process.stderr.write('\nfinishing the step and saving; again to quit at once\n');
    controller.abort();
  };
  for (const signal of stopSignals) process.on(signal, handle);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCodeOf(first);
    },
    [Symbol.dispose]: () => {
      for (const signal of stopSignals) process.off(signal, handle);
    },
  };
}
