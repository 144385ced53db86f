// MethodOutputs deliveries, and the two sides on one class.
import { expect, it } from 'vitest';

import { MethodOutputsDelivery } from './index.ts';
import { describeDelivery } from './delivery.contract.ts';

describeDelivery('MethodOutputs', {
  make: (body) => {
    class Target {
      run(x: number): unknown {
        return body(x);
      }
    }
    return { source: { class: Target, method: 'run' }, call: (x) => new Target().run(x) };
  },
  wrong: { class: Object },
});

it('delivers between instances of one class', () => {
  class Head {
    readonly #factor: number;
    constructor(factor: number) {
      this.#factor = factor;
    }
    assign(x: number): number {
      return x * this.#factor;
    }
  }
  const delivery = new MethodOutputsDelivery({ class: Head, method: 'assign' });
  const [teacher, student] = [new Head(10), new Head(1)];
  expect(delivery.deliver(() => teacher.assign(2))).toBe(20);
  delivery.overrideData = true;
  expect(delivery.deliver(() => student.assign(2))).toBe(20);
  expect(student.assign(2)).toBe(2);
});
