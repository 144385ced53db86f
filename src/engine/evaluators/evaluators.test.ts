// Evaluators: accuracy by rank, and how alike two networks are, against numbers computed by hand.
import { expect, it } from 'vitest';

import { randn, tensor, tidy } from '../../torch/index.ts';
import { Accuracy, AgreementMetric, buildEvaluator, ClassificationReport } from './index.ts';
import { refusal } from '../../../test/refusal.ts';

const labeled = (...labels: number[]) => ({ labels: tensor(labels, { dtype: 'int64' }) });

it('counts the right class among the highest scores, over several batches', () => {
  const metric = new Accuracy({ topk: [1, 2] }).begin();
  tidy(() => {
    metric.update(
      tensor([
        [3, 2, 1],
        [1, 3, 2],
      ]),
      labeled(0, 2),
    );
    metric.update(tensor([[1, 2, 3]]), labeled(0));
  });
  expect(metric.compute()).toEqual({ accuracy: 100 / 3, top2: 200 / 3 });
});

it('takes a k beyond the number of classes, and refuses one that is none', () => {
  const metric = new Accuracy({ topk: [5] }).begin();
  tidy(() => metric.update(tensor([[1, 2]]), labeled(0)));
  expect(metric.compute()).toEqual({ accuracy: 100 });
  expect(() => new Accuracy({ topk: [0] })).toThrow(refusal('invalid-argument', 'Accuracy', 'topk.0', 'got 0'));
  expect(() => buildEvaluator({ type: 'Acuracy' })).toThrow(refusal('unknown-name', 'Acuracy', 'Accuracy'));
});

it('measures agreement, divergence and CKA', () => {
  const metric = new AgreementMetric();
  tidy(() => {
    metric.update(tensor([[2, 0]]), tensor([[1, 0]]));
    metric.update(tensor([[0, 1]]), tensor([[3, 0]]));
  });
  const { agreement, kl, cka } = metric.compute();
  const softmax = ([a, b]: readonly [number, number]): [number, number] => {
    const sum = Math.exp(a) + Math.exp(b);
    return [Math.exp(a) / sum, Math.exp(b) / sum];
  };
  const divergence = (teacher: [number, number], student: [number, number]): number => {
    const [t, s] = [softmax(teacher), softmax(student)];
    return t[0] * Math.log(t[0] / s[0]) + t[1] * Math.log(t[1] / s[1]);
  };
  expect(agreement).toBe(50);
  expect(kl).toBeCloseTo((divergence([1, 0], [2, 0]) + divergence([3, 0], [0, 1])) / 2, 10);
  expect(cka).toBeCloseTo(1, 10); // two centered points lie on a line
});

it('CKA is 1 for a rotated and scaled copy, and small for unrelated scores', () => {
  const alike = new AgreementMetric();
  const unlike = new AgreementMetric();
  tidy(() => {
    const x = randn([200, 2], { dtype: 'float64' });
    const rotated = x.mm(
      tensor(
        [
          [0.6, -0.8],
          [0.8, 0.6],
        ],
        { dtype: 'float64' },
      ),
    );
    alike.update(x, rotated.mul(3).add(1));
    unlike.update(x, randn([200, 2], { dtype: 'float64' }));
  });
  expect(alike.compute()['cka']).toBeCloseTo(1, 8);
  expect(unlike.compute()['cka']).toBeLessThan(0.2);
});

it('accuracy of scores that are none is none; scores must be one row per image', () => {
  const metric = new Accuracy({ topk: [1, 2] }).begin();
  tidy(() => metric.update(tensor([[1, NaN]]), labeled(1)));
  tidy(() => metric.update(tensor([[1, 2]]), labeled(1)));
  expect(metric.compute()).toEqual({ accuracy: NaN, top2: NaN });
  tidy(() => {
    expect(() => metric.update(tensor([1, 2]), labeled(1, 0))).toThrow(
      refusal('invalid-argument', '(2, K)', '(2)', 'evaluators'),
    );
    expect(() => metric.update(tensor([[1, 2]]), {})).toThrow(refusal('invalid-argument', 'Accuracy', '(N)'));
    expect(() => metric.update([tensor([[1, 2]])], labeled(1))).toThrow(refusal('invalid-argument', '(1, K)'));
  });
});

it('a class that the teacher rules out adds nothing to the divergence', () => {
  const metric = new AgreementMetric();
  tidy(() => metric.update(tensor([[1, 2, 3]]), tensor([[1, 2, -Infinity]])));
  const { kl } = metric.compute();
  const sums = [Math.exp(1) + Math.exp(2), Math.exp(1) + Math.exp(2) + Math.exp(3)];
  expect(kl).toBeCloseTo(Math.log(sums[1]! / sums[0]!), 12);
});

it('networks of other classes are not compared', () => {
  const metric = new AgreementMetric();
  tidy(() => {
    expect(() => metric.update(tensor([[1, 2, 3]]), tensor([[1, 2]]))).toThrow(refusal('mismatch', '(1, 2)', '(1, 3)'));
    const tokens = tensor([[[1, 2]]]);
    expect(() => metric.update(tokens, tokens)).toThrow(refusal('mismatch', '(N, K)', '(1, 1, 2)', 'student'));
    expect(() => metric.update(tensor([[1, 2]]), [tokens])).toThrow(
      refusal('mismatch', '(N, K)', 'several', 'teacher'),
    );
  });
});

it('reports accuracy by class, confusion and calibration, over several batches', () => {
  const report = new ClassificationReport(['cat', 'dog']);
  expect(report.result()).toBeUndefined();
  const metric = report.begin();
  const odds = (p: number): number => Math.log(p / (1 - p));
  tidy(() => {
    // right at 0.9, right at 0.8, wrong at 0.8
    metric.update(
      tensor([
        [odds(0.9), 0],
        [0, odds(0.8)],
      ]),
      labeled(0, 1),
    );
    metric.update(tensor([[0, odds(0.8)]]), labeled(0));
  });
  expect(metric.compute()).toEqual({});
  const { perClass, ...result } = report.result()!;
  expect(result).toEqual({
    ...{ samples: 3, accuracy: 200 / 3, top5: undefined },
    // one bin of 0.9 that is right, one of two at 0.8 of which one is right: (0.1 + |1.6 - 1|) / 3
    calibrationError: expect.closeTo((100 * (0.1 + 0.6)) / 3, 5) as number,
    confusion: [
      [1, 1],
      [0, 1],
    ],
  });
  expect(perClass).toEqual([
    { label: 'cat', count: 2, recall: 50, precision: 100, f1: expect.closeTo(200 / 3, 10) as number },
    { label: 'dog', count: 1, recall: 100, precision: 50, f1: expect.closeTo(200 / 3, 10) as number },
  ]);
  report.begin();
  expect(report.result()).toBeUndefined();
  tidy(() => report.begin().update([randn([2, 3])], labeled(0, 1)));
  expect(report.result()).toBeUndefined();
  tidy(() => report.begin().update(tensor([[0, 1, 2, 3, 4, 5, 6]]), labeled(1)));
  expect(report.result()).toMatchObject({ accuracy: 0, top5: 0 });
});

it('reports labels that are no class, and scores that are no numbers, as accuracy does', () => {
  const report = new ClassificationReport();
  const accuracy = new Accuracy();
  const seen = (scores: readonly (readonly number[])[], ...labels: number[]) => {
    const metrics = [report.begin(), accuracy.begin()];
    tidy(() => metrics.forEach((metric) => metric.update(tensor(scores as number[][]), labeled(...labels))));
    return { ...report.result()!, wanted: metrics[1]!.compute()['accuracy'] };
  };
  const outside = seen(
    [
      [0, 1],
      [0, 1],
      [1, 0],
    ],
    1,
    2,
    -1,
  );
  expect(outside).toMatchObject({
    samples: 3,
    accuracy: expect.closeTo(100 / 3, 10),
    confusion: [
      [0, 0],
      [0, 1],
    ],
  });
  expect(outside.accuracy).toBe(outside.wanted);
  const missing = seen(
    [
      [0, 1],
      [NaN, 1],
    ],
    1,
    1,
  );
  expect(missing).toMatchObject({ samples: 2, accuracy: NaN, calibrationError: NaN, wanted: NaN });
  expect(missing.confusion).toEqual([
    [0, 0],
    [0, 1],
  ]);
  expect(seen([[Infinity, 1]], 0)).toMatchObject({ accuracy: 100, calibrationError: NaN, wanted: 100 });
  const metric = report.begin();
  tidy(() => metric.update(tensor([[0, 1]]), labeled(1)));
  const other = (): void => tidy(() => metric.update(tensor([[0, 1, 2]]), labeled(1)));
  expect(other).toThrow(refusal('mismatch', '2 classes', 'got 3'));
});
