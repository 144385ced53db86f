// Batches: lists of samples packed into targets, and read back; parts of a batch; what is refused.
import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { ops, randn, tensor, tidy } from '../torch/index.ts';
import { firstSamples, mapInputs, sizeOf, targetsOf, withSamples } from './index.ts';
import type { DataSample } from './index.ts';

const samples: readonly DataSample[] = [
  { gtLabel: 2, gtScore: [0, 0.25, 0.75], sampleIdx: 7, gtBoxes: [[0, 1, 2, 3]], contrastSampleIdxs: [7, 1] },
  { gtLabel: 0, gtScore: [1, 0, 0], sampleIdx: 4, gtBoxes: [], contrastSampleIdxs: [4, 2] },
];

it('packs a list of samples into tensors, and leaves targets as they are', () => {
  tidy(() => {
    const { labels, scores, boxes, sampleIdxs, contrastSampleIdxs } = targetsOf(samples);
    expect([labels!.dtype, sampleIdxs!.dtype, contrastSampleIdxs!.dtype]).toEqual(['int64', 'int64', 'int64']);
    expect(labels!.toArray()).toEqual([2, 0]);
    expect(scores!.dtype).toBe('float64');
    expect(scores!.toArray()).toEqual([
      [0, 0.25, 0.75],
      [1, 0, 0],
    ]);
    expect(boxes!.map(({ shape }) => shape)).toEqual([
      [1, 4],
      [0, 4],
    ]);
    expect(sampleIdxs!.toArray()).toEqual([7, 4]);
    expect(contrastSampleIdxs!.shape).toEqual([2, 2]);
    expect(Object.keys(targetsOf([{ gtLabel: 1 }]))).toEqual(['labels']);
    const targets = { labels: tensor([1]) };
    expect(targetsOf(targets)).toBe(targets);
  });
});

it('can be gone through sample by sample', () => {
  tidy(() => {
    const targets = withSamples(targetsOf(samples));
    expect([...targets]).toEqual(samples);
    expect(Object.keys(targets)).toEqual(['labels', 'scores', 'boxes', 'sampleIdxs', 'contrastSampleIdxs']);
    expect([...withSamples({})]).toEqual([]);
    const list = targets as unknown as readonly DataSample[];
    expect(list.map(({ gtLabel }) => gtLabel)).toEqual([2, 0]);
    expect([list.length, list[1]!.gtLabel, list.at(-1)!.sampleIdx]).toEqual([2, 0, 4]);
  });
});

it('can be gone through without labels, and not where labels are of tokens', () => {
  tidy(() => {
    const scores = tensor([0.5, 0.5, 1, 0], { shape: [2, 2] });
    expect([...withSamples({ scores })]).toEqual([{ gtScore: [0.5, 0.5] }, { gtScore: [1, 0] }]);
    expect([...withSamples({ boxes: [ops.ones([1, 4])] })]).toEqual([{ gtBoxes: [[1, 1, 1, 1]] }]);
    expect(() => [...withSamples({ labels: tensor([1, 2], { shape: [1, 2] }) })]).toThrow(
      refusal('invalid-argument', 'targets: labels', '(1, 2)'),
    );
  });
});

it('names the sample that is not like the others', () => {
  const packed = (list: readonly unknown[]) => () => tidy(() => void targetsOf(list as DataSample[]));
  expect(packed([{ gtLabel: 1 }, { gtLabel: 0.5 }])).toThrow(refusal('invalid-argument', 'sample 1', 'gtLabel', '0.5'));
  expect(packed([{ gtLabel: 1, sampleIdx: 2 }, { sampleIdx: 3 }])).toThrow(
    refusal('invalid-argument', 'sample 1', 'gtLabel'),
  );
  expect(
    packed([
      { gtLabel: 1, gtScore: [1] },
      { gtLabel: 1, gtScore: [0, 1] },
    ]),
  ).toThrow(refusal('invalid-argument', 'sample 1', 'gtScore', '2', '1'));
  expect(
    packed([
      {
        gtLabel: 1,
        gtBoxes: [
          [0, 1, 2, 3],
          [0, 1, 2],
        ],
      },
    ]),
  ).toThrow(refusal('invalid-argument', 'sample 0', 'gtBoxes', '[0, 1, 2]', 'box 1'));
  expect(packed([{ gtLabel: 1, contrastSampleIdxs: [1, NaN] }])).toThrow(
    refusal('invalid-argument', 'sample 0', 'contrastSampleIdxs', 'NaN'),
  );
});

it('counts, changes and cuts inputs of one tensor or several', () => {
  tidy(() => {
    const [ids, mask] = [ops.arange(6).view([3, 2]), ops.ones([3, 2])];
    expect(sizeOf(ids)).toBe(3);
    expect(sizeOf({ ids, mask })).toBe(3);
    expect(() => sizeOf({})).toThrow(refusal('invalid-argument', 'inputs', 'none'));
    expect(() => sizeOf({ ids, mask: randn([2, 2]) })).toThrow(
      refusal('invalid-argument', 'inputs', '3 of "ids"', '2 of "mask"'),
    );
    const names: (string | undefined)[] = [];
    const doubled = mapInputs({ ids, mask }, (one, name) => {
      names.push(name);
      return one.mul(2);
    });
    expect(names).toEqual(['ids', 'mask']);
    expect(doubled.mask.sum().item()).toBe(12);
    const targets = { labels: ops.arange(3), boxes: [ids, mask, ids] };
    const batch = {
      inputs: { ids, mask },
      targets,
      meta: [{ sampleIdx: 0 }, {}, {}],
      views: { teacher: { ids, mask } },
    };
    const first = firstSamples(batch, 2);
    expect(first.inputs.ids.shape).toEqual([2, 2]);
    expect(first.targets.labels.shape).toEqual([2]);
    expect(first.targets.boxes).toEqual([ids, mask]);
    expect(first.meta).toEqual([{ sampleIdx: 0 }, {}]);
    expect(first.views.teacher.mask.shape).toEqual([2, 2]);
    expect(sizeOf(firstSamples(batch, 9).inputs)).toBe(3);
  });
});
