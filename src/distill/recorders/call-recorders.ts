// What the recorders of functions and methods have in common: calls seen through a tap.
import type { TapTarget } from '../../intercept/taps.ts';
import type { Call } from './call.ts';

/** Records what a target is given (without `this`) or what it returns, until disposed. */
export function recordCalls(target: TapTarget, begin: () => Call, what: 'inputs' | 'outputs'): Disposable {
  return target.tap(({ args }, next) => {
    const call = begin();
    if (what === 'inputs') call.take([...args]);
    return call.settle(next(), (result) => {
      if (what === 'outputs') call.take(result);
    });
  }, 'observe');
}
