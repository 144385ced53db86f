// The manager: all on one side, entered and left together, and a step that ends.
import { expect, it } from 'vitest';

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
  expect(() => manager.endStep()).toThrow(
    /delivery "targets": .*1 of the teacher's.*\n *delivery "reassign": .*2 kept and 1 handed out/,
  );
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
  expect(() => manager.getDelivery('target')).toThrow(/there is no delivery "target"; did you mean "targets"/);
  expect(() => new DistillDeliveryManager({ x: { type: 'MethodOutput' } })).toThrow(
    /delivery "x": unknown delivery "MethodOutput"; did you mean "MethodOutputs"/,
  );
  expect(() => buildDelivery({} as never)).toThrow(/"type" is missing/);
});
