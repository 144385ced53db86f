// Optimizers and schedulers against PyTorch's numbers (test/fixtures), state dicts, errors, memory.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { expectStored, formulaTensor, readFixture } from '../../test/fixtures.ts';
import type { Formula, Stored } from '../../test/fixtures.ts';
import { Parameter } from '../nn/index.ts';
import { memory, ones, Tensor, tidy } from '../torch/index.ts';
import {
  Adam,
  AdamW,
  buildOptimizer,
  buildScheduler,
  ChainedScheduler,
  clipGradNorm,
  clipGradValue,
  LambdaLR,
  OneCycleLR,
  SequentialLR,
  SGD,
} from './index.ts';
import type { FormulaScheduler, Optimizer, OptimizerStateDict, Scheduler } from './index.ts';

interface OptimFixture {
  params: Formula[];
  cases: {
    name: string;
    type: 'SGD' | 'Adam' | 'AdamW';
    options: object;
    groups: { params: number[]; options: object }[];
    noGrad?: { param: number; step: number }[];
    lrByStep?: number[];
    steps: Stored[][];
    stateDict: { state: Record<string, Record<string, Stored | null>>; param_groups: Record<string, unknown>[] };
  }[];
  clip: {
    name: string;
    fn: 'clipGradNorm' | 'clipGradValue';
    options: { maxNorm?: number; normType?: number | 'Infinity'; clipValue?: number };
    grads: (Formula | null)[];
    total: Stored | null;
    after: (Stored | null)[];
  }[];
}

const fixture = readFixture<OptimFixture>('optim');
const classes = { SGD, Adam, AdamW } as unknown as Record<string, new (params: unknown, options: object) => Optimizer>;

/** The gradient of parameter `p` at step `t`, as the fixtures define it. */
function setGradients(
  params: readonly Tensor[],
  t: number,
  skip: readonly { param: number; step: number }[] = [],
): void {
  params.forEach((param, p) => {
    const left = skip.some((one) => one.param === p && one.step === t);
    param.grad = left ? null : formulaTensor({ shape: param.shape, scale: 0.5, a: 0.4, b: p + 1.3 * t, offset: 0 });
  });
}

describe('optimizers', () => {
  it.each(fixture.cases.map((one) => [one.name, one] as const))('%s', (_name, one) => {
    const params = fixture.params.map((spec) => new Parameter(formulaTensor(spec)));
    const groups = one.groups.map(({ params: numbers, options }) => ({
      ...options,
      params: numbers.map((i) => params[i]!),
    }));
    const optimizer = new classes[one.type]!(groups, one.options);
    one.steps.forEach((expected, i) => {
      if (one.lrByStep !== undefined) for (const group of optimizer.paramGroups) group.lr = one.lrByStep[i]!;
      setGradients(params, i + 1, one.noGrad);
      optimizer.step();
      expected.forEach((stored, p) => expectStored(params[p]!, stored));
    });
    const state = optimizer.stateDict();
    for (const [index, entries] of Object.entries(one.stateDict.state)) {
      for (const [name, stored] of Object.entries(entries)) {
        if (stored !== null) expectStored(state.state[index]![name] as Tensor, stored);
      }
    }
    state.param_groups.forEach((group, i) => {
      const { lr, weight_decay: weightDecay, params: numbers } = one.stateDict.param_groups[i]!;
      expect(group).toMatchObject({ lr, weight_decay: weightDecay, params: numbers });
    });
  });

  it.each([
    ['SGD', { lr: 0.1, momentum: 0.9 }],
    ['Adam', { amsgrad: true }],
    ['AdamW', {}],
  ])('%s goes on bit-equal from a state dict', (type, options) => {
    const make = (): { params: Parameter[]; optimizer: Optimizer } => {
      const params = fixture.params.map((spec) => new Parameter(formulaTensor(spec)));
      return { params, optimizer: buildOptimizer({ type, ...options }, params) };
    };
    const [one, other] = [make(), make()];
    for (const t of [1, 2]) {
      setGradients(one.params, t);
      one.optimizer.step();
    }
    tidy(() => other.params.forEach((param, i) => void param.detach().copy_(one.params[i]!.detach())));
    const state = one.optimizer.stateDict();
    other.optimizer.loadStateDict(state);
    for (const { params, optimizer } of [one, other]) {
      setGradients(params, 3);
      optimizer.step();
    }
    other.params.forEach((param, i) => expect(param.toArray()).toEqual(one.params[i]!.toArray()));
    const wrong = { state: { 0: { momentum_buffer: ones([7]) } }, param_groups: state.param_groups };
    expect(() => other.optimizer.loadStateDict(wrong as OptimizerStateDict)).toThrow(
      refusal('mismatch', '[7]', 'momentum_buffer', '0'),
    );
    expect(() => other.optimizer.loadStateDict({ ...state, param_groups: [] })).toThrow(
      refusal('mismatch', '[]', '[3]'),
    );
  });

  it('leave what has no gradient, and keep memory flat', () => {
    for (const type of ['SGD', 'Adam', 'AdamW']) {
      const [used, unused] = [new Parameter(ones([2])), new Parameter(ones([2]))];
      const optimizer = buildOptimizer({ type, lr: 0.1, weightDecay: 0.1 }, [used, unused]);
      const step = (): void => {
        tidy(() => used.mul(2).sum().backward());
        optimizer.step();
        optimizer.zeroGrad();
      };
      step();
      const before = memory().tensors;
      for (let i = 0; i < 50; i++) step();
      expect(memory().tensors).toBeLessThanOrEqual(before); // what earlier types left may be collected meanwhile
      expect(unused.toArray()).toEqual([1, 1]);
      expect(used.toArray()).not.toEqual([1, 1]);
    }
  });

  it('refuse what makes no sense', () => {
    const param = new Parameter(ones([2]));
    expect(() => new SGD([], { lr: 0.1 })).toThrow(refusal('invalid-argument', 'SGD', 'params', 'none'));
    expect(() => new SGD([param, param], { lr: 0.1 })).toThrow(
      refusal('invalid-argument', 'SGD', 'parameter 1', 'twice'),
    );
    expect(() => new SGD([param.mul(2)], { lr: 0.1 })).toThrow(
      refusal('invalid-argument', 'SGD', 'parameter 0', 'leaf'),
    );
    expect(() => new SGD([param], { lr: -1, momentum: NaN })).toThrow(
      refusal('invalid-argument', 'SGD', 'lr', '-1', 'momentum'),
    );
    expect(() => new SGD([param], { lr: 0.1, nesterov: true })).toThrow(
      refusal('invalid-argument', 'SGD', 'nesterov', 'momentum'),
    );
    expect(() => new Adam([param], { betas: [0.9, 1] })).toThrow(refusal('invalid-argument', 'Adam', 'betas.1', '1'));
    expect(() => buildOptimizer({ type: 'AdamV' }, [param])).toThrow(refusal('unknown-name', 'AdamV', 'AdamW'));
    expect(() => buildOptimizer({ type: 'SGD', lr: 0.1, momentun: 1 }, [param])).toThrow(
      refusal('unknown-option', 'SGD', 'momentun', 'momentum'),
    );
  });
});

it.each(fixture.clip.map((one) => [one.name, one] as const))('%s', (_name, one) => {
  const params = one.grads.map((spec) => new Parameter(ones(spec === null ? [1] : spec.shape)));
  one.grads.forEach((spec, i) => {
    params[i]!.grad = spec === null ? null : formulaTensor(spec);
  });
  if (one.fn === 'clipGradValue') clipGradValue(params, one.options.clipValue!);
  else {
    const normType = one.options.normType === undefined ? 2 : Number(one.options.normType);
    const total = clipGradNorm(params, one.options.maxNorm!, { normType });
    expect(total).toBeInstanceOf(Tensor);
    if (one.total !== null) expectStored(total, one.total);
  }
  one.after.forEach((stored, i) => {
    const grad = params[i]!.grad;
    expect(grad === null).toBe(stored === null);
    if (stored !== null) expectStored(grad!, stored);
  });
});

interface SchedulerCase {
  name: string;
  type: string;
  options: Record<string, unknown> & { schedulers?: { type: string; options: object }[]; milestones?: number[] };
  optimizer: string;
  groups: { lr: number }[];
  lrs: number[][];
  /** SGD's momentum or Adam's first beta. */
  momenta?: number[][];
}

const lambdas: Record<string, (epoch: number) => number> = {
  '0.9 ** epoch': (epoch) => 0.9 ** epoch,
  '1 / (1 + epoch)': (epoch) => 1 / (1 + epoch),
  'epoch < 3 ? (epoch + 1) / 3 : 1': (epoch) => (epoch < 3 ? (epoch + 1) / 3 : 1),
};

function makeScheduler({ type, options }: Pick<SchedulerCase, 'type' | 'options'>, optimizer: Optimizer): Scheduler {
  const parts = (): FormulaScheduler[] =>
    options.schedulers!.map((part) => makeScheduler(part as never, optimizer) as FormulaScheduler);
  if (type === 'SequentialLR') return new SequentialLR(optimizer, parts(), { milestones: options.milestones! });
  if (type === 'ChainedScheduler') return new ChainedScheduler(optimizer, parts());
  if (type === 'LambdaLR') {
    const texts = options['lrLambda'] as string | string[];
    const lrLambda = Array.isArray(texts) ? texts.map((text) => lambdas[text]!) : lambdas[texts]!;
    return new LambdaLR(optimizer, { lrLambda });
  }
  // PyTorch takes epochs and steps per epoch too; here a config's length of training says the steps.
  const { epochs, stepsPerEpoch, ...rest } = options;
  const length = typeof epochs === 'number' ? { totalSteps: epochs * (stepsPerEpoch as number) } : {};
  return buildScheduler({ type, ...rest, ...length }, optimizer);
}

const momentaOf = (optimizer: Optimizer): number[] =>
  (optimizer.paramGroups as { momentum?: number; betas?: readonly number[] }[]).map(
    ({ betas, momentum }) => betas?.[0] ?? momentum!,
  );

describe('schedulers', () => {
  const { cases } = readFixture<{ cases: SchedulerCase[] }>('schedulers');
  it.each(cases.map((one) => [one.name, one] as const))('%s', (_name, one) => {
    const build = (): { optimizer: Optimizer; scheduler: Scheduler } => {
      const groups = one.groups.map(({ lr }) => ({ params: [new Parameter(ones([1]))], lr }));
      const optimizer = one.optimizer === 'Adam' ? new Adam(groups) : new SGD(groups, { lr: 1, momentum: 0.9 });
      return { optimizer, scheduler: makeScheduler(one, optimizer) };
    };
    let { optimizer, scheduler } = build();
    one.lrs.forEach((expected, step) => {
      if (step > 0) scheduler.step();
      if (step === 5) {
        // In the middle, everything goes through its state.
        const next = build();
        next.optimizer.loadStateDict(optimizer.stateDict());
        next.scheduler.loadStateDict(JSON.parse(JSON.stringify(scheduler.stateDict())) as never);
        ({ optimizer, scheduler } = next);
      }
      expect(scheduler.getLastLr()).toBeAllClose(expected, { rtol: 1e-12, atol: 1e-18 });
      if (one.momenta !== undefined)
        expect(momentaOf(optimizer)).toBeAllClose(one.momenta[step]!, { rtol: 1e-12, atol: 0 });
    });
  });

  it('refuse what makes no sense', () => {
    const optimizer = new SGD([new Parameter(ones([1]))], { lr: 0.1 });
    expect(() => buildScheduler({ type: 'CosineAnnealing', tMax: 3 }, optimizer)).toThrow(
      refusal('unknown-name', 'CosineAnnealing', 'CosineAnnealingLR'),
    );
    expect(() => buildScheduler({ type: 'CosineAnnealingLR', tMax: 0 }, optimizer)).toThrow(
      refusal('invalid-argument', 'CosineAnnealingLR', 'tMax', '0'),
    );
    expect(() => new ChainedScheduler(optimizer, [])).toThrow(
      refusal('invalid-argument', 'ChainedScheduler', 'schedulers'),
    );
    expect(() => new OneCycleLR(optimizer, { totalSteps: 10, maxLr: [0.1, 0.2] })).toThrow(
      refusal('invalid-argument', 'OneCycleLR', 'maxLr', '1 rates', '2'),
    );
    expect(() => new OneCycleLR(optimizer, { totalSteps: 10, pctStart: 0.6, threePhase: true })).toThrow(
      refusal('invalid-argument', 'OneCycleLR', 'pctStart', '0.5'),
    );
    const one = buildScheduler({ type: 'ExponentialLR', gamma: 0.9 }, optimizer);
    expect(() => new SequentialLR(optimizer, [one], { milestones: [3] })).toThrow(
      refusal('invalid-argument', 'SequentialLR', 'milestones', '0 for 1', '1'),
    );
  });
});
