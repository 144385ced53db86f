// The distiller: mappings checked at construction, records through connectors into losses.
import { expect, it } from 'vitest';

import { Module } from '../../nn/index.ts';
import { tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss } from '../losses/index.ts';
import { ConfigurableDistiller } from './index.ts';
import type { ConfigurableDistillerOptions } from './index.ts';

class Double extends Module {
  calls = 0;
  override forward(x: Tensor): Tensor {
    this.calls++;
    return x.mul(2);
  }
}

/** `left - right` */
class Difference extends DistillLoss {
  override readonly inputs = { required: ['left', 'right'], optional: ['extra'] };
  override forward({ left, right }: { left: Tensor; right: Tensor }): Tensor {
    return left.sub(right).sum();
  }
}

const out = { type: 'ModuleOutputs', source: '' };

function options(changes: Partial<ConfigurableDistillerOptions> = {}): ConfigurableDistillerOptions {
  return {
    studentRecorders: { out },
    teacherRecorders: { out },
    connectors: { double: new Double() },
    distillLosses: { loss_a: new Difference(), loss_b: new Difference() },
    lossForwardMappings: {
      loss_a: {
        left: { recorder: 'out', fromStudent: true, connector: 'double' },
        right: { recorder: 'out', fromStudent: false },
      },
      loss_b: {
        left: { recorder: 'out', fromStudent: true, connector: 'double' },
        right: { recorder: 'out', fromStudent: true },
      },
    },
    ...changes,
  };
}

it('computes every mapped loss and runs each connector once', () => {
  const distiller = new ConfigurableDistiller(options());
  const [student, teacher] = [new Double(), new Double()];
  distiller.prepareFromStudent(student);
  distiller.prepareFromTeacher(teacher);
  distiller.teacherRecorders.record(() => teacher.forward(tensor([5])));
  distiller.studentRecorders.record(() => student.forward(tensor([3])));
  const losses = distiller.forward();
  expect(losses['loss_a']!.item()).toBe(12 - 10);
  expect(losses['loss_b']!.item()).toBe(12 - 6);
  expect((distiller.connectors.get('double') as Double).calls).toBe(1);
});

it('lists every mistake in the mappings at once', () => {
  const wrong = options({
    lossForwardMappings: {
      loss_a: {
        left: { recorder: 'oot', fromStudent: true, connector: 'duoble' },
        rigth: { recorder: 'out', fromStudent: 'yes' as never },
      },
      loss_c: {},
    },
  });
  const build = (): unknown => new ConfigurableDistiller(wrong);
  expect(build).toThrow(/the student has no recorder "oot"; did you mean "out"/);
  expect(build).toThrow(/no connector "duoble"; did you mean "double"/);
  expect(build).toThrow(/Difference takes no such argument; did you mean "right"/);
  expect(build).toThrow(/argument "right" is not mapped/);
  expect(build).toThrow(/fromStudent must be true or false, got yes/);
  expect(build).toThrow(/"loss_c": there is no such loss; did you mean "loss_a"/);
  expect(build).toThrow(/loss "loss_b" has no mapping/);
  expect(build).toThrow(/teacher recorder "out" is read by no loss/);
});
