// Looking ahead without leaving a trace: random numbers and the buffers of networks, losses and connectors are put back afterwards.
import type { Module } from '../../nn/index.ts';
import { getRandomState, noGrad, setRandomState, tidy } from '../../torch/index.ts';
import { versionOf } from '../held.ts';

/** Runs `body`, after which random state and buffers below `root` are what they were. Parameters are not looked at. */
export function undisturbed<T>(root: Module, body: () => T): T {
  return tidy(() => {
    const random = getRandomState();
    const before = root.buffers().map((buffer) => ({
      buffer,
      version: versionOf(buffer),
      values: noGrad(() => buffer.clone()),
    }));
    try {
      return body();
    } finally {
      setRandomState(random);
      noGrad(() => {
        for (const { buffer, version, values } of before) {
          if (versionOf(buffer) !== version) buffer.copy_(values);
        }
      });
    }
  });
}
