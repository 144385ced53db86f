// The manager: all on one side, entered and left together, and a step that ends.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { buildDelivery, DistillDelivery, DistillDeliveryManager, MethodOutputsDelivery } from './index.ts';

class Head {
  targets(): string {
    return 'own targets';
  }
  reassign(): string {
    return 'own reassign';
  }
}
const source = (method: string) => ({ class: Head, method });

it('sets the side of all, delivers with all, ends the step of all', () => {
  const manager = new DistillDeliveryManager({
    targets: { type: 'MethodOutputs', source: source('targets') },
    reassign: new MethodOutputsDelivery(source('reassign'), { maxKeepData: 2 }),
  });
  expect(manager.size).toBe(2);
  manager.overrideData = true;
  expect([...manager.deliveries.values()].map((delivery) => delivery.overrideData)).toEqual([true, true]);
  manager.overrideData = false;
  const head = new Head();
  manager.deliver(() => [head.targets(), head.reassign(), head.reassign()]);
  manager.overrideData = true;
  manager.deliver(() => head.reassign());
  expect(() => manager.endStep()).toThrow(refusal('invalid-state', 'targets', 1, 'reassign', 2));
  manager.endStep();
});

it('unwinds when one cannot begin', () => {
  class Broken extends DistillDelivery {
    constructor() {
      super({
        address: 'nowhere',
        tap() {
          throw new Error('cannot begin');
        },
      });
    }
  }
  const manager = new DistillDeliveryManager({
    targets: { type: 'MethodOutputs', source: source('targets') },
    broken: new Broken(),
  });
  expect(() => manager.deliver()).toThrow('cannot begin');
  new Head().targets();
  expect(manager.getDelivery('targets').length).toBe(0);
});

it('may be empty, clears, and names the nearest', () => {
  const none = new DistillDeliveryManager();
  expect(none.deliver(() => 3)).toBe(3);
  none.endStep();
  const manager = new DistillDeliveryManager({ targets: { type: 'MethodOutputs', source: source('targets') } });
  manager.deliver(() => new Head().targets());
  manager.clear();
  manager.endStep();
  expect(() => manager.getDelivery('target')).toThrow(refusal('unknown-name', 'target', 'targets'));
  expect(() => new DistillDeliveryManager({ x: { type: 'MethodOutput' } })).toThrow(
    refusal('unknown-name', 'x', 'MethodOutput', 'MethodOutputs'),
  );
  expect(() => buildDelivery({} as never)).toThrow(refusal('invalid-argument', '"type"'));
});
