// The distiller: mappings checked at construction, records through connectors into losses.
import { expect, it, vi } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { RetortError } from '../../errors.ts';
import { Linear, Module } from '../../nn/index.ts';
import type { DataSample } from '../../nn/index.ts';
import { autocast, randn, tensor, tensorsIn, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss, KLDivergence } from '../losses/index.ts';
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

/** Gives back the classes it was given. */
class Labelled extends DistillLoss {
  override readonly inputs = { required: ['labels'] };
  override forward({ labels }: { labels: Tensor }): Tensor {
    return labels.to('float32');
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
  const distiller = ConfigurableDistiller.fromOptions(options());
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
  const build = (): unknown => ConfigurableDistiller.fromOptions(wrong);
  expect(build).toThrow(refusal('invalid-config', 'student', '"oot"', '"out"'));
  expect(build).toThrow(refusal('invalid-config', 'duoble', 'double'));
  expect(build).toThrow(refusal('invalid-config', 'Difference', '"rigth"', '"right"'));
  expect(build).toThrow(refusal('invalid-config', 'argument "right"'));
  expect(build).toThrow(refusal('invalid-config', 'fromStudent', 'yes'));
  expect(build).toThrow(refusal('invalid-config', 'loss_c', 'loss_a'));
  expect(build).toThrow(refusal('invalid-config', 'loss "loss_b"'));
});

it('warns of what is not used, and of a loss that would not be trained on', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const distiller = ConfigurableDistiller.fromOptions({
    studentRecorders: { out, other: out },
    connectors: { double: new Double() },
    distillLosses: { difference: new Difference() },
    lossForwardMappings: {
      difference: { left: { recorder: 'out', fromStudent: true }, right: { recorder: 'out', fromStudent: true } },
    },
  });
  expect(warn).toHaveBeenCalledTimes(3);
  warn.mockRestore();
  expect(distiller.warnings).toEqual([
    'loss "difference": its name does not contain "loss", so it is reported but not trained on',
    'student recorder "other" is read by no loss',
    'connector "double" is used by no loss',
  ]);
});

it('takes values, fields of the batch, lists of records and chains of connectors', () => {
  class Weighted extends DistillLoss {
    override readonly inputs = { required: ['all', 'labels', 'factor'] };
    override forward({ all, labels, factor }: { all: Tensor[]; labels: Tensor; factor: number }): Tensor {
      return all
        .reduce((sum, one) => sum.add(one), labels)
        .sum()
        .mul(factor);
    }
  }
  const student = new Double();
  const distiller = ConfigurableDistiller.fromOptions({
    studentRecorders: { out },
    connectors: { once: new Double(), twice: new Double() },
    distillLosses: { loss: new Weighted() },
    lossForwardMappings: {
      loss: {
        all: [
          { recorder: 'out', fromStudent: true },
          { recorder: 'out', fromStudent: true, connector: ['once', 'twice'] },
        ],
        labels: { field: 'gtLabels' },
        factor: { value: 3 },
      },
    },
  });
  distiller.prepareFromStudent(student);
  const inputs = tensor([1]);
  distiller.studentPass(() => student.forward(inputs));
  const dataSamples = [{ gtLabel: 5 }];
  expect(distiller.forward({ inputs, dataSamples })['loss']!.item()).toBe(3 * (2 + 8 + 5));
  expect(() => distiller.forward()).toThrow(refusal('invalid-state', 'gtLabels'));
  const wrong = { loss: { all: [], labels: { field: 'label' }, factor: { value: 1, field: 'inputs' } } };
  expect(() =>
    ConfigurableDistiller.fromOptions({
      distillLosses: { loss: new Weighted() },
      lossForwardMappings: wrong as never,
    }),
  ).toThrow(refusal('invalid-config', 'label', 'labels'));
});

it('takes no class of a sample that is several at once, and names loss and sample', () => {
  const distiller = new ConfigurableDistiller({
    distillLosses: { loss_a: new Labelled() },
    lossForwardMappings: { loss_a: { labels: { field: 'gtLabels' } } },
  });
  const samples = (...gtScore: number[]) => [
    { gtLabel: 1, gtScore: [0, 1] },
    { gtLabel: 0, gtScore },
  ];
  const run = (dataSamples: readonly DataSample[]): number[] =>
    tidy(() => Array.from(distiller.forward({ inputs: tensor([1]), dataSamples })['loss_a'].data(), Number));
  expect(run(samples(1, 0))).toEqual([1, 0]);
  expect(run(samples(0.9999999, 0.0000001))).toEqual([1, 0]); // two images of one class, mixed
  expect(() => run(samples(0.75, 0.25))).toThrow(refusal('invalid-argument', 'loss_a', 'labels', 1, 0.75, 0, 0.25));
  expect(distiller.wantsOneClass()).toEqual([expect.stringMatching(/^loss "loss_a": labels: one true class/)]);
  const ofInputs = new ConfigurableDistiller({
    distillLosses: { loss_a: new Labelled() },
    lossForwardMappings: { loss_a: { labels: { field: 'inputs.labels' } } },
  });
  expect(ofInputs.wantsOneClass()).toEqual([]);
});

it('runs a connector once a step for a record, or once for each reference with compat', () => {
  for (const [compat, calls] of [
    [undefined, 1],
    ['mmrazor', 2],
  ] as const) {
    const double = new Double();
    const distiller = ConfigurableDistiller.fromOptions({ ...options({ connectors: { double } }), compat });
    const student = new Double();
    distiller.prepareFromStudent(student);
    distiller.prepareFromTeacher(student);
    distiller.teacherPass(() => student.forward(tensor([1])));
    distiller.studentPass(() => student.forward(tensor([1])));
    distiller.forward();
    expect(double.calls).toBe(calls);
  }
});

it('follows schedules of weights, and does not compute what weighs nothing', () => {
  const student = new Double();
  const distiller = ConfigurableDistiller.fromOptions({
    ...options({
      teacherRecorders: {},
      distillLosses: { loss_b: new Difference(), loss_off: new Difference({ lossWeight: 0 }) },
    }),
    lossForwardMappings: {
      loss_b: {
        left: { recorder: 'out', fromStudent: true, connector: 'double' },
        right: { recorder: 'out', fromStudent: true },
      },
      loss_off: { left: { value: 'no tensor' }, right: { value: 'no tensor' } },
    },
    lossWeightSchedules: { loss_b: { type: 'linear', from: 1, to: 0, end: 4 } },
  });
  distiller.prepareFromStudent(student);
  const at = (epoch: number): Record<string, Tensor> => {
    distiller.setProgress({ epoch, step: 0 });
    distiller.studentPass(() => student.forward(tensor([1])));
    return distiller.forward();
  };
  expect(at(0)['loss_b']!.item()).toBe(2);
  expect(at(3)['loss_b']!.item()).toBe(0.5);
  expect(at(4)).toEqual({});
});

it('is typed by the names in it', () => {
  // `npm test` runs tsc over this file, which fails where an error that is expected here is none.
  const fc = { type: 'ModuleOutputs', source: 'fc' } as const;
  const recorders = { studentRecorders: { s: fc }, teacherRecorders: { t: fc } } as const;
  const predsS = { recorder: 's', fromStudent: true } as const;
  const predsT = { recorder: 't', fromStudent: false } as const;
  const distiller = new ConfigurableDistiller({
    ...recorders,
    distillLosses: { loss_kl: { type: 'KLDivergence', tau: 2 }, loss_own: new KLDivergence({ tau: 3 }) },
    lossForwardMappings: { loss_kl: { predsS, predsT }, loss_own: { predsS, predsT } },
  });
  const typed: () => Record<'loss_kl' | 'loss_own', Tensor> = () => distiller.forward();
  // @ts-expect-error -- there is no such loss
  void (() => distiller.forward().loss_kd);
  const distillLosses = { l: { type: 'KLDivergence' } } as const;
  const predsTOfStudent = { recorder: 's', fromStudent: false } as const;
  const mistaken = [
    () =>
      new ConfigurableDistiller({
        ...recorders,
        distillLosses,
        // @ts-expect-error -- the teacher has no recorder "s"
        lossForwardMappings: { l: { predsS, predsT: predsTOfStudent } },
      }),
    // @ts-expect-error -- "tua" is not an option of KLDivergence
    () => new ConfigurableDistiller({ distillLosses: { l: { type: 'KLDivergence', tua: 2 } } }),
    // @ts-expect-error -- there is no loss of this type
    () => new ConfigurableDistiller({ distillLosses: { l: { type: 'KLDivergance' } } }),
    // @ts-expect-error -- there is no recorder of this type
    () => new ConfigurableDistiller({ studentRecorders: { s: { type: 'ModuleOutput', source: 'fc' } } }),
    () =>
      new ConfigurableDistiller({
        ...recorders,
        distillLosses: { l: new KLDivergence() },
        // @ts-expect-error -- a built loss takes predsT too
        lossForwardMappings: { l: { predsS } },
      }),
  ];
  expect(typed).toBeTypeOf('function');
  for (const build of mistaken) expect(build).toThrow(RetortError);
});

it('detachTeacher finds tensors in whatever structure the teacher returns', () => {
  class Structured extends Module {
    override forward(x: Tensor): unknown {
      const y = x.mul(2);
      const bare = Object.assign(Object.create(null) as object, { y });
      return { list: [y], map: new Map([['y', new Map([['deep', y]])]]), set: new Set([y]), bare };
    }
  }
  let seen: boolean[] = [];
  class Look extends DistillLoss {
    override readonly inputs = { required: ['value'], optional: [] };
    override forward({ value }: { value: unknown }): Tensor {
      seen = tensorsIn(value).map(({ requiresGrad }) => requiresGrad);
      return tensor(0);
    }
  }
  const teacher = new Structured();
  for (const detachTeacher of [true, false]) {
    const distiller = ConfigurableDistiller.fromOptions({
      teacherRecorders: { out },
      distillLosses: { loss: new Look() },
      lossForwardMappings: { loss: { value: { recorder: 'out', fromStudent: false } } },
      detachTeacher,
    });
    distiller.prepareFromTeacher(teacher);
    tidy(() => {
      distiller.teacherRecorders.record(() => teacher.forward(tensor([1], { requiresGrad: true })));
      distiller.forward();
    });
    expect(seen).toEqual(Array.from({ length: 4 }, () => !detachTeacher));
  }
});

it('says of a list that is recorded where a loss wants a tensor how to pick from it', () => {
  class Maps extends Module {
    override forward(x: Tensor): Tensor[] {
      return [x.mul(2)];
    }
  }
  class Fails extends Difference {
    override forward(): Tensor {
      throw new TypeError('of another cause');
    }
  }
  const run = (right: object, loss: DistillLoss = new Difference()): unknown => {
    const distiller = ConfigurableDistiller.fromOptions({
      studentRecorders: { out },
      distillLosses: { loss },
      lossForwardMappings: {
        loss: { left: { recorder: 'out', fromStudent: true, dataIdx: 0 }, right: right as never },
      },
    });
    const student = new Maps();
    distiller.prepareFromStudent(student);
    return tidy(() => {
      distiller.studentRecorders.record(() => student.forward(tensor([1])));
      return distiller.forward()['loss']!.item();
    });
  };
  const record = { recorder: 'out', fromStudent: true };
  expect(run({ ...record, dataIdx: 0 })).toBe(0);
  expect(() => run(record)).toThrow(
    refusal('mismatch', 'loss "loss" (Difference): right', 'array of 1', '"out" of the student', 'dataIdx: 0'),
  );
  expect(() => run({ ...record, dataIdx: 0 }, new Fails())).toThrow(new TypeError('of another cause'));
});

it('losses compute in float32 inside autocast, their products and layers too', () => {
  class Similarity extends DistillLoss {
    readonly layer = new Linear(3, 3, { bias: false });
    override readonly inputs = { required: ['x'] };
    override forward({ x }: { x: Tensor }): Tensor {
      const rows = this.layer.forward(x);
      return rows.mm(rows.t()).sum();
    }
  }
  const loss = new Similarity();
  const distiller = ConfigurableDistiller.fromOptions({
    studentRecorders: { out },
    distillLosses: { loss },
    lossForwardMappings: { loss: { x: { recorder: 'out', fromStudent: true } } },
  });
  const student = new Linear(2, 3);
  distiller.prepareFromStudent(student);
  tidy(() => {
    const images = randn([4, 2]);
    const [recorded, inside] = autocast(() => {
      const features = distiller.studentRecorders.record(() => student.forward(images));
      return [features, distiller.forward()['loss']!] as const;
    });
    expect(recorded.dtype).toBe('bfloat16');
    expect(inside.item()).toBe(loss.forward({ x: recorded.to('float32') }).item());
  });
});

it('checks schedules of weights in code as in configs', () => {
  const lossWeightSchedules = { loss_a: { type: 'linear', from: NaN, to: 1, end: 2 } as const };
  expect(() => ConfigurableDistiller.fromOptions(options({ lossWeightSchedules }))).toThrow(
    refusal('invalid-argument', 'lossWeightSchedules.loss_a.from'),
  );
});
