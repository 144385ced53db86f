// CRDConnector: the contract, rows of zeros.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { init } from '../../nn/index.ts';
import { grad, tidy, zeros } from '../../torch/index.ts';
import { describeConnector } from './connector.contract.ts';
import { buildConnector, CRDConnector } from './index.ts';

const options = { dimIn: 12, dimOut: 5 };
describeConnector('CRDConnector', {
  options,
  make: () => new CRDConnector(options),
  input: [3, 3, 2, 2],
  outputs: [[3, 5]],
  wrong: [[3, 2, 2, 2], [12]],
});

it('has rows of length 1', () => {
  tidy(() => {
    const connector = new CRDConnector({ dimIn: 6 }).to({ dtype: 'float64' });
    const y = connector.forward(wave({ shape: [4, 6], a: 0.7, b: 0.1 }));
    expect(y.norm(2, 1)).toBeAllClose([1, 1, 1, 1], { rtol: 1e-12 });
    expect(y.shape).toEqual([4, 128]);
  });
});

it('gives zeros and finite gradients for a row of zeros; NaN under compat', () => {
  tidy(() => {
    for (const compat of [undefined, 'mmrazor'] as const) {
      const connector = buildConnector({
        type: 'CRDConnector',
        ...options,
        ...(compat === undefined ? {} : { compat }),
      }) as CRDConnector;
      init.zeros_(connector.linear.bias!);
      const x = zeros([2, 12]).requiresGrad_();
      const y = connector.forward(x);
      const [gradient] = grad([y.sum()], [x]);
      expect(y.isfinite().all().item()).toBe(compat === undefined ? 1 : 0);
      expect(gradient!.isfinite().all().item()).toBe(compat === undefined ? 1 : 0);
    }
  });
});
