// Looking ahead without leaving a trace: random numbers and the buffers of networks, losses and connectors are put back afterwards.
import type { Module } from '../../nn/index.ts';
import { getRandomState, noGrad, setRandomState, tidy } from '../../torch/index.ts';

/** Runs `body`, after which random state and buffers below `root` are what they were. Parameters are not looked at. */
export function undisturbed<T>(root: Module, body: () => T): T {
  return tidy(() => {
    const random = getRandomState();
    // By value: norms move their statistics without a trace in the version counters.
    const before = noGrad(() => root.buffers().map((buffer) => [buffer, buffer.clone()] as const));
    try {
      return body();
    } finally {
      setRandomState(random);
      noGrad(() => {
        for (const [buffer, values] of before) if (!buffer.equal(values)) buffer.copy_(values);
      });
    }
  });
}
