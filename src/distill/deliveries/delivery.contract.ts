// What holds for every delivery; each kind's test runs it on a target of its own.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { memory, ones, tensor, tidy, tidyAsync } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildRecorder } from '../recorders/index.ts';
import type { RecorderSource } from '../recorders/index.ts';
import { buildDelivery, deliveries, DistillDeliveryManager } from './index.ts';
import type { DistillDelivery } from './index.ts';

type Body = (x: number) => unknown;

export interface DeliveryTarget {
  /** What is delivered. */
  source: RecorderSource;
  /** Calls the target. */
  call(x: number): unknown;
}

export interface DeliveryContract {
  /** A fresh target whose body is `body`. */
  make(body: Body): DeliveryTarget;
  /** A source that is refused. */
  wrong: unknown;
}

/** Runs the contract on a kind of delivery. */
export function describeDelivery(type: string, contract: DeliveryContract): void {
  const { make, wrong } = contract;

  /** A target that counts its runs, refuses negative numbers, and gives `2 x`. */
  function setUp(options: object = {}, body: Body = (x) => 2 * x) {
    const seen: number[] = [];
    const target = make((x) => {
      seen.push(x);
      if (x < 0) throw new Error('negative');
      return body(x);
    });
    const delivery = buildDelivery({ type, source: target.source, maxKeepData: 3, ...options });
    return { ...target, seen, delivery };
  }
  function asTeacher<T>(delivery: DistillDelivery | DistillDeliveryManager, body: () => T): T {
    delivery.overrideData = false;
    return delivery.deliver(body);
  }
  function asStudent<T>(delivery: DistillDelivery | DistillDeliveryManager, body: () => T): T {
    delivery.overrideData = true;
    return delivery.deliver(body);
  }

  it('contract: is registered, refuses wrong options', () => {
    expect(deliveries.get(type).summary.length).toBeGreaterThan(10);
    const { source } = make((x) => x);
    expect(buildDelivery({ type, source }).maxKeepData).toBe(1);
    const built = buildDelivery({ type, source, maxKeepData: 7 });
    expect(built.maxKeepData).toBe(7);
    expect(buildDelivery(built)).toBe(built);
    expect(() => buildDelivery({ type })).toThrow(refusal('invalid-argument', 'source'));
    expect(() => buildDelivery({ type, source: wrong })).toThrow(refusal('invalid-argument', 'source'));
    expect(() => buildDelivery({ type, source, maxKeepdata: 2 })).toThrow(refusal('unknown-option', 'maxKeepData'));
    for (const maxKeepData of [0, 1.5, '2']) {
      expect(() => buildDelivery({ type, source, maxKeepData })).toThrow(refusal('invalid-argument', 'maxKeepData'));
    }
  });

  it("contract: the student gets the teacher's outputs, oldest first, and its own body does not run", () => {
    const { call, seen, delivery } = setUp();
    expect(asTeacher(delivery, () => [call(1), call(2)])).toEqual([2, 4]);
    expect(delivery.length).toBe(2);
    expect(call(5)).toBe(10); // outside of the blocks nothing changes
    expect(asStudent(delivery, () => [call(8), call(9)])).toEqual([2, 4]);
    expect(seen).toEqual([1, 2, 5]);
    delivery.endStep();
    {
      delivery.overrideData = false;
      using block = delivery.deliver();
      call(6);
      block.end();
      call(7);
    }
    expect(delivery.length).toBe(1);
  });

  it('contract: full and empty queues are errors that name the delivery and the counts', () => {
    const { call, seen, delivery } = setUp({ maxKeepData: 2 });
    expect(() => asStudent(delivery, () => call(1))).toThrow(
      refusal('invalid-state', `${type}Delivery(`, '0 kept and 0 handed out', 'maxKeepData 2'),
    );
    asTeacher(delivery, () => {
      call(1);
      call(2);
      expect(() => call(3)).toThrow(
        refusal('invalid-state', `${type}Delivery(`, '2 kept and 0 handed out', 'maxKeepData 2'),
      );
    });
    expect(seen).toEqual([1, 2]);
    asStudent(delivery, () => {
      call(1);
      call(1);
      expect(() => call(1)).toThrow(refusal('invalid-state', '2 kept and 2 handed out'));
    });
  });

  it('contract: what is left over at the end of a step is an error, or dropped where the config allows it', () => {
    const { call, delivery } = setUp();
    asTeacher(delivery, () => [call(1), call(2)]);
    asStudent(delivery, () => call(1));
    expect(() => delivery.endStep()).toThrow(refusal('invalid-state', 1, '2 kept and 1 handed out'));
    expect(delivery.length).toBe(0);
    delivery.endStep();
    asTeacher(delivery, () => call(4));
    expect(asStudent(delivery, () => call(1))).toBe(8);
    delivery.endStep();

    const lenient = setUp({ allowRemainder: true });
    asTeacher(lenient.delivery, () => lenient.call(1));
    lenient.delivery.endStep();
    expect(() => asStudent(lenient.delivery, () => lenient.call(1))).toThrow(refusal('invalid-state', '0 kept'));
  });

  it('contract: what throws is not kept, and the target is as it was', () => {
    const { call, delivery } = setUp();
    const body = (): void => {
      call(1);
      call(-1);
    };
    expect(() => asTeacher(delivery, body)).toThrow('negative');
    expect(delivery.length).toBe(1);
    expect(call(3)).toBe(6);
    expect(delivery.length).toBe(1);
    delivery.clear();
    expect(() => asStudent(delivery, () => call(1))).toThrow(refusal('invalid-state', 'maxKeepData'));
    expect(call(3)).toBe(6);
  });

  it('contract: inside itself it goes on, in whatever order the blocks end', () => {
    const { call, delivery } = setUp();
    delivery.deliver(() => delivery.deliver(() => call(1)));
    expect(delivery.length).toBe(1);
    const [first, second] = [delivery.deliver(), delivery.deliver()];
    first.end();
    call(2);
    second.end();
    call(3);
    expect(asStudent(delivery, () => [call(0), call(0)])).toEqual([2, 4]);
  });

  it('contract: tensors live as long as the scope of the teacher, outside its graph unless asked', () => {
    const leaf = tensor([1]).requiresGrad_();
    const before = memory().tensors;
    for (const detach of [true, false]) {
      const { call, delivery } = setUp({ detach }, (x) => ({ out: leaf.mul(x), label: 'a' }));
      tidy(() => {
        const own = asTeacher(delivery, () => call(3)) as { out: Tensor };
        expect(own.out.requiresGrad).toBe(true);
        const given = asStudent(delivery, () => call(0)) as { out: Tensor; label: string };
        expect(given.out.item()).toBe(3);
        expect(given.out.requiresGrad).toBe(!detach);
        expect(given.label).toBe('a');
      });
      tidy(() => asTeacher(delivery, () => void tidy(() => call(1))));
      expect(() => asStudent(delivery, () => call(0))).toThrow(refusal('invalid-state', 'output 2', 'freed'));
    }
    expect(memory().tensors).toBe(before);
  });

  it('contract: an output that was overwritten in place meanwhile is refused', () => {
    const { call, delivery } = setUp({}, () => ones([1]));
    const own = asTeacher(delivery, () => call(1)) as Tensor;
    own.mul_(2);
    expect(() => asStudent(delivery, () => call(1))).toThrow(refusal('invalid-state', 'overwritten', 'inplace'));
  });

  it('contract: replaces only the elements asked for, and then the body of the student runs', () => {
    const shapes: [unknown, unknown, unknown][] = [
      [-1, [1, 10], [2, 10]],
      [
        [0, 1],
        [1, 10],
        [1, 10],
      ],
      [['a'], { a: 1, b: 10 }, { a: 1, b: 20 }],
      [
        'b',
        new Map([
          ['a', 1],
          ['b', 10],
        ]),
        new Map([
          ['a', 2],
          ['b', 10],
        ]),
      ],
    ];
    for (const [dataIdx, first, expected] of shapes) {
      const scale = (value: unknown, x: number): unknown => {
        if (Array.isArray(value)) return value.map((item) => Number(item) * x);
        if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, Number(item) * x]));
        return Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, Number(item) * x]));
      };
      const { call, seen, delivery } = setUp({ dataIdx }, (x) => scale(first, x));
      asTeacher(delivery, () => call(1));
      expect(asStudent(delivery, () => call(2))).toEqual(expected);
      expect(seen).toEqual([1, 2]);
    }
    for (const [dataIdx, result, refused] of [
      [2, [1, 2], refusal('unknown-name', 'dataIdx 2', 'array of 2')],
      ['c', { a: 1 }, refusal('unknown-name', 'dataIdx "c"', 'has a')],
      [0, 5, refusal('invalid-argument', 'dataIdx', 'Map')],
    ] as const) {
      const { call, delivery } = setUp({ dataIdx }, () => result);
      asTeacher(delivery, () => call(1));
      expect(() => asStudent(delivery, () => call(1))).toThrow(refused);
    }
  });

  it('contract: the calls that a delivered call makes need nobody to take them', () => {
    const { call, delivery } = setUp({}, (x): unknown => (x === 0 ? 'end' : call(x - 1)));
    asTeacher(delivery, () => call(2));
    expect(delivery.length).toBe(3);
    expect(asStudent(delivery, () => call(2))).toBe('end');
    delivery.endStep();
  });

  it('contract: two on one target both keep, and a recorder sees what was delivered', () => {
    const { source, call, seen } = setUp();
    const manager = new DistillDeliveryManager({
      first: { type, source },
      second: { type, source },
    });
    const recorders = ['student', 'teacher'].map(() => buildRecorder({ type, source }).initialize());
    const [student, teacher] = recorders as [(typeof recorders)[0], (typeof recorders)[0]];
    teacher.record(() => asTeacher(manager, () => call(1)));
    expect([...manager.deliveries.values()].map((delivery) => delivery.length)).toEqual([1, 1]);
    student.record(() => asStudent(manager, () => call(5)));
    asTeacher(manager, () => {});
    manager.endStep();
    expect(teacher.getRecordData()).toBe(2);
    expect(student.getRecordData()).toBe(2);
    expect(seen).toEqual([1]);
    // whichever of the two is entered first
    asTeacher(manager, () => student.record(() => call(3)));
    expect(asStudent(manager, () => student.record(() => call(0)))).toBe(6);
    expect(student.getRecordData()).toBe(6);
  });

  it('contract: asynchronous functions keep the order of the calls', async () => {
    const { call, seen, delivery } = setUp({}, async (x) => {
      await new Promise((resolve) => setTimeout(resolve, 4 - 2 * x));
      return tensor([x]);
    });
    await tidyAsync(async () => {
      const own = await asTeacher(delivery, () => Promise.all([call(1), call(2)]));
      expect((own as Tensor[]).map((value) => value.item())).toEqual([1, 2]);
      const given = await asStudent(delivery, () => Promise.all([call(7), call(8)]));
      expect((given as Tensor[]).map((value) => value.item())).toEqual([1, 2]);
    });
    expect(seen).toEqual([1, 2]);
    delivery.endStep();
  });

  it('contract: an asynchronous call that fails is not kept', async () => {
    const { call, delivery } = setUp({}, async (x) => {
      if (x === 0) throw new Error('later');
      return x;
    });
    const failed = asTeacher(delivery, () => Promise.all([call(0), call(1)]));
    expect(await failed.catch((error: unknown) => String(error))).toBe('Error: later');
    expect(await asStudent(delivery, () => call(9))).toBe(1);
    delivery.endStep();
  });
}
