// LayerConnector: the contract, built layers, layers of users.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { Linear } from '../../nn/index.ts';
import { tidy } from '../../torch/index.ts';
import { describeConnector } from './connector.contract.ts';
import { buildConnector, LayerConnector } from './index.ts';

const options = { layer: { type: 'Linear', inFeatures: 4, outFeatures: 3 } } as const;
describeConnector('LayerConnector', {
  options,
  make: () => new LayerConnector(options),
  input: [2, 4],
  outputs: [[2, 3]],
  wrong: [[2, 5]],
  original: false,
});

it('takes a layer that is built, and names what a layer does not take', () => {
  tidy(() => {
    const layer = new Linear(4, 2);
    const connector = new LayerConnector({ layer });
    expect(connector.forward(wave({ shape: [1, 4], a: 0.3, b: 0.1 }, 'float32')).shape).toEqual([1, 2]);
    expect(Object.keys(connector.stateDict())).toEqual(['layer.weight', 'layer.bias']);
  });
  const build = (config: object): unknown => buildConnector({ type: 'LayerConnector', layer: config });
  expect(() => build({ type: 'Linaer' })).toThrow(refusal('unknown-name', 'Linaer', 'Linear', 'layer'));
  expect(() => build({ type: 'Linear', inFeatures: 1, outFeature: 2 })).toThrow(
    refusal('invalid-argument', 'outFeatures'),
  );
});
