// BYOTConnector: the contract, channels and sizes that do not fit, the original's default stride.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { tidy } from '../../torch/index.ts';
import { describeConnector } from './connector.contract.ts';
import { buildConnector, BYOTConnector } from './index.ts';

const options = { inChannels: 1, outChannels: 2, numClasses: 3, expansion: 2, poolSize: 2 };
describeConnector('BYOTConnector', {
  options,
  make: () => new BYOTConnector(options),
  input: [3, 2, 4, 4],
  outputs: [
    [3, 4],
    [3, 3],
  ],
  wrong: [
    [3, 4, 4, 4],
    [3, 2, 4],
    [3, 2, 5, 5],
    [3, 2, 12, 12],
  ],
});

const x = (size: number) => wave({ shape: [1, 64, size, size], a: 0.3, b: 0 }, 'float32');

it('gives features and logits of the sizes that the last exit has', () => {
  tidy(() => {
    const connector = new BYOTConnector({ inChannels: 16, outChannels: 32, numClasses: 10 });
    expect(connector.forward(x(8)).map(({ shape }) => shape)).toEqual([
      [1, 128],
      [1, 10],
    ]);
  });
});

it("fails with the original's default stride, where attention is twice as large", () => {
  const config = { type: 'BYOTConnector', inChannels: 16, outChannels: 32, numClasses: 10 };
  tidy(() => {
    const original = buildConnector({ ...config, compat: 'mmrazor' }) as BYOTConnector;
    expect(() => original.forward(x(8))).toThrow(refusal('engine', 'size of tensor'));
    const asked = buildConnector({ ...config, stride: 1 }) as BYOTConnector;
    expect(() => asked.forward(x(8))).toThrow(refusal('invalid-argument', '[1, 64, 8, 8]', '[1, 64, 16, 16]'));
  });
});

it('refuses channels that are no power of 2 apart, and other kernels', () => {
  const build = (more: object): unknown =>
    buildConnector({ type: 'BYOTConnector', inChannels: 4, outChannels: 8, numClasses: 2, ...more });
  expect(() => build({ outChannels: 12 })).toThrow(
    refusal('invalid-argument', 'outChannels', 'inChannels', 4, 1, 2, 12),
  );
  expect(() => build({ outChannels: 2 })).toThrow(refusal('invalid-argument', 'outChannels'));
  expect(() => build({ kernelSize: 7 })).toThrow(refusal('invalid-argument', 'kernelSize', 7));
});
