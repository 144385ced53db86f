// TorchFunctionalConnector: the contract, every function it knows, dropout's mode, names that are none.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { functional } from '../../nn/index.ts';
import { manualSeed, ones, ops, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { describeConnector } from './connector.contract.ts';
import { buildConnector, TorchFunctionalConnector, TorchNNConnector } from './index.ts';
import type { TorchFunctionalConnectorOptions } from './index.ts';

const options: TorchFunctionalConnectorOptions = { functionName: 'avg_pool2d', funcArgs: { kernelSize: 2 } };
describeConnector('TorchFunctionalConnector', {
  options: { ...options },
  make: () => new TorchFunctionalConnector(options),
  input: [2, 3, 4, 4],
  outputs: [[2, 3, 2, 2]],
  wrong: [
    [4, 4],
    [2, 3, 1, 1],
  ],
});

const x = () => wave({ shape: [2, 3, 8, 8], a: 0.29, b: 0.3 }, 'float32');

it.each<[TorchFunctionalConnectorOptions['functionName'], Record<string, unknown>, (x: Tensor) => Tensor]>([
  ['adaptive_avg_pool2d', { outputSize: [2, 3] }, (x) => ops.adaptiveAvgPool2d(x, [2, 3])],
  ['adaptiveMaxPool2d', { outputSize: 3 }, (x) => ops.adaptiveMaxPool2d(x, [3, 3])[0]],
  [
    'avgPool2d',
    { kernelSize: 3, stride: 2, padding: 1, countIncludePad: false },
    (x) => ops.avgPool2d(x, [3, 3], [2, 2], [1, 1], false, false),
  ],
  ['max_pool2d', { kernelSize: 2, ceilMode: true }, (x) => ops.maxPool2d(x, [2, 2])],
  ['normalize', { dim: 1 }, (x) => x.div(x.norm(2, 1, true))],
  ['relu', {}, (x) => x.relu()],
  ['softmax', { dim: 1 }, (x) => x.softmax(1)],
  [
    'interpolate',
    { scaleFactor: 2, mode: 'bilinear' },
    (x) => functional.interpolate(x, { size: 16, mode: 'bilinear' }),
  ],
])('%s', (functionName, funcArgs, expected) => {
  tidy(() => {
    const connector = new TorchFunctionalConnector({ functionName, funcArgs });
    expect(connector.forward(x())).toBeAllClose(expected(x()), { atol: 1e-7 });
    expect(Object.keys(connector.stateDict())).toEqual([]);
  });
});

it('equals the layer of that name', () => {
  tidy(() => {
    const layer = new TorchNNConnector({ moduleName: 'AvgPool2d', moduleArgs: { kernelSize: 4 } });
    const one = new TorchFunctionalConnector({ functionName: 'avg_pool2d', funcArgs: { kernelSize: 4 } });
    expect(one.forward(x())).toBeAllClose(layer.forward(x()), { rtol: 0, atol: 0 });
  });
});

it.each(['dropout', 'dropout2d'] as const)('%s follows the mode; under compat it always drops', (functionName) => {
  tidy(() => {
    const drops = (more: object, training: boolean): boolean => {
      manualSeed(2);
      const config = { type: 'TorchFunctionalConnector', functionName, ...more };
      const connector = (buildConnector(config) as TorchFunctionalConnector).train(training);
      return (
        connector
          .forward(ones([4, 16, 4, 4]))
          .min()
          .item() === 0
      );
    };
    expect([drops({}, true), drops({}, false)]).toEqual([true, false]);
    const original = { compat: 'mmrazor' };
    expect([drops(original, true), drops(original, false)]).toEqual([true, true]);
    for (const more of [{}, original]) {
      expect(drops({ ...more, funcArgs: { training: true } }, false)).toBe(true);
      expect(drops({ ...more, funcArgs: { training: false, p: 0.9 } }, true)).toBe(false);
    }
  });
});

it('refuses unknown names, with the nearest', () => {
  const build = (config: object): unknown => buildConnector({ type: 'TorchFunctionalConnector', ...config });
  expect(() => build({})).toThrow(refusal('invalid-argument', 'functionName'));
  expect(() => build({ functionName: 'fake' })).toThrow(refusal('invalid-argument', 'functionName', 'fake'));
  expect(() => new TorchFunctionalConnector({ functionName: 'avgpool2d' as 'relu' })).toThrow(
    refusal('invalid-argument', 'functionName', '"avgpool2d"', '"avgPool2d"'),
  );
  expect(() => build({ functionName: 'interpolate', funcArgs: { scalefactor: 2 } })).toThrow(
    refusal('invalid-argument', 'scaleFactor'),
  );
  expect(() => build({ functionName: 'interpolate', funcArgs: {} })).toThrow(
    refusal('invalid-argument', 'scaleFactor'),
  );
  expect(() => build({ functionName: 'normalize', funcArgs: { dims: 2 } })).toThrow(refusal('invalid-argument', 'dim'));
  expect(() => build({ functionName: 'dropout', funcArgs: { training: 1 } })).toThrow(
    refusal('invalid-argument', 'funcArgs', 'training'),
  );
  expect(() => build({ functionName: 'softmax' })).toThrow(refusal('invalid-argument', 'dim'));
});

it('compat takes the dimension of softmax that PyTorch implies', () => {
  tidy(() => {
    const config = { type: 'TorchFunctionalConnector', functionName: 'softmax', compat: 'mmrazor' };
    expect((buildConnector(config) as TorchFunctionalConnector).forward(x())).toBeAllClose(x().softmax(1));
  });
});
