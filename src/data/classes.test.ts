// One list of classes for all sets: labels go by name, what cannot is refused with both counts and the way out.
import { describe, expect, it } from 'vitest';

import type { Targets } from '../nn/index.ts';
import { ops, tensor, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { alignClasses, DataLoader, InMemoryImages, stackSamples, SyntheticImages } from './index.ts';
import type { Dataset, Sample } from './index.ts';
import { refusal } from '../../test/refusal.ts';

/** A set with these classes, one sample of each in order, unless labels are given. */
function setOf(classes: readonly string[], labels: readonly number[] = classes.map((_, i) => i)): Dataset & Disposable {
  return new InMemoryImages({ images: ops.zeros([labels.length, 1, 1, 1], { dtype: 'uint8' }), labels, classes });
}

const labelsOf = (dataset: Dataset): number[] => Array.from({ length: dataset.length }, (_, i) => dataset.label!(i));
const train = ['cat', 'dog', 'owl'];

describe('alignClasses', () => {
  it('says nothing where the lists are the same', () => {
    using reference = setOf(train);
    using same = setOf(train);
    expect(alignClasses(same, reference, { name: 'valData' })).toEqual({ dataset: same, notes: [] });
  });

  it.each([
    ['a class is missing', ['cat', 'owl'], [0, 2], 'valData has 2 classes, trainData 3: it lacks "dog"'],
    ['the order is another', ['owl', 'dog', 'cat'], [2, 1, 0], 'valData has the classes of trainData in another order'],
    ['both', ['owl', 'cat'], [2, 0], 'valData has 2 classes, trainData 3: it lacks "dog"'],
  ])('labels go by name where %s', (_, classes, labels, note) => {
    using reference = setOf(train);
    using other = setOf(classes);
    const { dataset, notes } = alignClasses(other, reference, { name: 'valData' });
    expect(labelsOf(dataset)).toEqual(labels);
    expect(dataset.classes).toEqual(train);
    expect(notes).toEqual([`${note}; its labels go by the names of the classes`]);
    const loader = new DataLoader(dataset, { batchSize: 2 });
    expect(tidy(() => loader.load(0, 0).targets.labels!.toArray())).toEqual(labels.slice(0, 2));
  });

  it('takes names for equal that file systems store in different ways', () => {
    using reference = setOf(['ba\u0301r', 'cat']); // decomposed, as macOS stores it
    using other = setOf(['b\u00e1r', 'cat']);
    const { dataset, notes } = alignClasses(other, reference, { name: 'valData' });
    expect(labelsOf(dataset)).toEqual([0, 1]);
    expect(notes.join()).toMatch(/spelled with other code points; its labels go by the names/);
  });

  it('refuses classes that the reference does not have, and names the nearest', () => {
    using reference = setOf(train);
    using more = setOf([...train, 'yak']);
    expect(() => alignClasses(more, reference, { name: 'valData' })).toThrow(
      refusal('mismatch', '4 classes', 'trainData', 3, 'yak', 'cat', 'dog', 'owl', 'valData.labels', 'byNumber'),
    );
    using typo = setOf(['cat', 'dogs', 'owl']);
    expect(() => alignClasses(typo, reference, { name: 'testData' })).toThrow(
      refusal('mismatch', 'testData', '3 classes', 'trainData', 'dogs'),
    );
    using others = setOf(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    expect(() => alignClasses(others, reference, { name: 'valData' })).toThrow(
      refusal('mismatch', '"e"', '(7)', 'trainData'),
    );
    using twice = setOf(['cat', 'cat', 'dog']);
    expect(() => alignClasses(twice, reference, { name: 'valData' })).toThrow(
      refusal('mismatch', 'valData', 'trainData'),
    );
  });

  it('compares counts where only numbers are known', () => {
    using reference = new SyntheticImages({ samples: 8, numClasses: 4 });
    using fewer = new SyntheticImages({ samples: 8, numClasses: 3 });
    using more = new SyntheticImages({ samples: 8, numClasses: 5 });
    using named = setOf(['a', 'b', 'c', 'd']);
    const { dataset, notes } = alignClasses(fewer, reference, { name: 'valData' });
    expect(dataset.classes).toHaveLength(4);
    expect(labelsOf(dataset)).toEqual([0, 1, 2, 0, 1, 2, 0, 1]);
    expect(notes).toEqual(['valData has 3 classes, trainData 4; its labels are taken as numbers of the first 3']);
    expect(() => alignClasses(more, reference, { name: 'valData' })).toThrow(
      refusal('mismatch', 'valData', '5 classes', 'trainData', 4),
    );
    expect(alignClasses(reference, named, { name: 'valData' }).notes).toEqual([
      'valData does not name its classes: labels of valData and trainData go by number',
    ]);
    expect(alignClasses(named, reference, { name: 'valData' }).notes.join()).toMatch(/^trainData does not name/);
  });

  it("goes by number where that is asked for, but not beyond the reference's classes", () => {
    using reference = setOf(train);
    using wordnet = setOf(['n01', 'n02', 'n03']);
    const { dataset, notes } = alignClasses(wordnet, reference, { name: 'valData', labels: 'byNumber' });
    expect([labelsOf(dataset), dataset.classes, notes]).toEqual([[0, 1, 2], train, []]);
    using more = setOf(['n01', 'n02', 'n03', 'n04']);
    expect(() => alignClasses(more, reference, { name: 'valData', labels: 'byNumber' })).toThrow(
      refusal('mismatch', 3),
    );
  });

  it('labels go by name wherever a data set says them: targets, items, collate; shares of classes too', async () => {
    using reference = setOf(train);
    const ints = (...numbers: number[]): Tensor => tensor(numbers, { dtype: 'int64' });
    const base = { length: 2, classes: ['owl', 'cat'] };
    const load = async (dataset: Dataset): Promise<Targets> => {
      const aligned = alignClasses(dataset, reference, { name: 'valData' }).dataset;
      using loader = new DataLoader(aligned, { batchSize: 2 });
      await loader.prepare(0, 0);
      return loader.load(0, 0).targets;
    };
    const shown = async (dataset: Dataset): Promise<unknown[]> => {
      const { labels, scores, sampleIdxs } = await load(dataset);
      const all = [labels?.toArray(), scores?.toArray()];
      for (const one of [labels, scores, sampleIdxs]) one?.dispose();
      return all;
    };
    const inputs = (indices: readonly number[]): Tensor => ops.zeros([indices.length, 3]);
    expect(await shown({ ...base, inputs, targets: () => ({ labels: ints(0, 1) }) })).toEqual([[2, 0], undefined]);
    const scores = (): Targets => ({ scores: tensor([0.25, 0.75, 1, 0], { shape: [2, 2] }) });
    const moved = [
      [0.75, 0, 0.25],
      [0, 0, 1],
    ];
    expect(await shown({ ...base, inputs, targets: scores })).toEqual([undefined, moved]);
    const item = (index: number): Sample => ({
      inputs: ops.zeros([3]),
      targets: { labels: tensor(index, { dtype: 'int64' }) },
    });
    expect(await shown({ ...base, item })).toEqual([[2, 0], undefined]);
    const blind = { ...base, item: (): Sample => ({ inputs: ops.zeros([3]) }) };
    const collate = (samples: readonly Sample[]): { inputs: Tensor; targets: Targets } => ({
      inputs: ops.stack(samples.map((sample) => sample.inputs as Tensor)),
      targets: { labels: ints(0, 1) },
    });
    expect(await shown({ ...blind, collate })).toEqual([[2, 0], undefined]);
    // what an item said is not moved once more
    expect(await shown({ ...base, item, collate: stackSamples })).toEqual([[2, 0], undefined]);
  });

  it('labels of tokens go by name too, negative ones stay, and one that is no class is refused', () => {
    using reference = setOf(train);
    const dataset = (numbers: readonly number[]): Dataset => ({
      length: 2,
      classes: ['owl', 'cat'],
      inputs: () => ops.zeros([2, 3]),
      labels: () => tensor([...numbers], { shape: [2, 3], dtype: 'int64' }),
    });
    const aligned = (numbers: readonly number[]): Dataset =>
      alignClasses(dataset(numbers), reference, { name: 'valData' }).dataset;
    tidy(() => {
      expect(aligned([0, 1, -100, -1, 1, 0]).labels!([0, 1]).toArray()).toEqual([
        [2, 0, -100],
        [-1, 0, 2],
      ]);
      expect(() => aligned([0, 1, 2, 0, 1, 0]).labels!([0, 1])).toThrow(refusal('mismatch', 'label 2', '2 classes'));
    });
  });
});
