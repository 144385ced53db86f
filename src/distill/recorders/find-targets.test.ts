// Names that were meant, and patterns of paths.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { nearestPath, pathMatcher } from './find-targets.ts';

const resnet = ['backbone', 'backbone.conv1', 'backbone.bn1'];
for (const layer of [1, 2, 3, 4]) {
  resnet.push(`backbone.layer${layer}`);
  for (const block of [0, 1]) {
    const path = `backbone.layer${layer}.${block}`;
    resnet.push(path, `${path}.conv1`, `${path}.bn1`, `${path}.conv2`, `${path}.bn2`);
  }
}
resnet.push('neck', 'neck.gap', 'head', 'head.fc');

describe('nearestPath', () => {
  it.each([
    ['backbone.layer4.1.conv3', 'did you mean "backbone.layer4.1.conv1" or "backbone.layer4.1.conv2"?'],
    ['backbone.layer4.1.cnov2', 'did you mean "backbone.layer4.1.conv2"?'],
    ['backbon.layer4.1.conv2', 'did you mean "backbone.layer4.1.conv2"?'],
    ['backbon.layer4.1.covn2', 'did you mean "backbone.layer4.1.conv2"?'],
    ['layer4.1.conv2', 'did you mean "backbone.layer4.1.conv2"?'],
    ['head.fc_cls', 'below "head" there are: "fc"'],
    ['module.head.fc', 'did you mean "head.fc"?'],
    ['student.neck.pooling.gap', 'did you mean "neck.gap"?'],
    ['backbone.layer4.1.relu', 'below "backbone.layer4.1" there are: "conv1", "bn1", "conv2", "bn2"'],
    ['transformer', 'there are: "backbone", "neck", "head"'],
  ])('%s', (path, hint) => expect(nearestPath(path, resnet)).toBe(hint));

  it('has nothing to say about a model of nothing', () => expect(nearestPath('a', [])).toBe('there are none'));
});

describe('pathMatcher', () => {
  const matching = (pattern: string): string[] => resnet.filter(pathMatcher(pattern));
  it('takes * for anything within one part', () => {
    expect(matching('backbone.layer*.1.conv2')).toEqual([1, 2, 3, 4].map((i) => `backbone.layer${i}.1.conv2`));
    expect(matching('backbone.layer*.*.conv2')).toHaveLength(8);
    expect(matching('*')).toEqual(['backbone', 'neck', 'head']);
    expect(matching('backbone.*1')).toEqual(['backbone.conv1', 'backbone.bn1', 'backbone.layer1']);
  });
  it('takes ** for any number of parts', () => {
    expect(matching('**.conv1')).toHaveLength(9);
    expect(matching('backbone.**.conv1')).toHaveLength(9);
    expect(matching('head.**')).toEqual(['head.fc']);
    expect(matching('**')).toEqual(resnet);
  });
  it('takes everything else as it is', () => {
    const part = fc.string({ minLength: 1 }).filter((text) => !/[*.]/.test(text));
    const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('.'));
    fc.assert(
      fc.property(path, path, (a, b) => {
        expect(pathMatcher(a)(b)).toBe(a === b);
        expect(pathMatcher(`**.${a}`)(`${b}.${a}`)).toBe(true);
      }),
    );
  });
});
