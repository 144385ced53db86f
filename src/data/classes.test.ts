// One list of classes for all sets: labels go by name, what cannot is refused with both counts and the way out.
import { describe, expect, it } from 'vitest';

import { ops, tidy } from '../torch/index.ts';
import { alignClasses, DataLoader, InMemoryImages, SyntheticImages } from './index.ts';
import type { Dataset } from './index.ts';
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
});
