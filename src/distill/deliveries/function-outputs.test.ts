// FunctionOutputs deliveries.
import { expect, it } from 'vitest';

import { publish } from '../recorders/recorder.contract.ts';
import { describeDelivery } from './delivery.contract.ts';
import { buildDelivery } from './index.ts';

describeDelivery('FunctionOutputs', {
  make: (body) => publish((x: number) => body(x)),
  wrong: { class: Object, method: 'keys' },
});

it('finds the function by address', () => {
  const { address, call } = publish((x: number) => x + 1);
  const delivery = buildDelivery({ type: 'FunctionOutputs', source: address, maxKeepData: 2 });
  delivery.deliver(() => call(1));
  delivery.overrideData = true;
  expect(delivery.deliver(() => call(5))).toBe(2);
});
