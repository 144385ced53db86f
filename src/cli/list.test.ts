// `retort list`: every name shows its options, with types and comments.
import { expect, it } from 'vitest';

import { defOf, unwrapped } from '../registry/index.ts';
import { thingsNamed } from './list.ts';
import { optionComments } from './option-comments.ts';
import { registries } from '../runner/registries.ts';
import type { KnownRegistry } from '../runner/registries.ts';
import { topics } from './topics.ts';
import { refusal } from '../../test/refusal.ts';

const things = Object.entries<KnownRegistry>(registries).flatMap(([kind, { entries }]) =>
  Object.entries(entries).map(([name, entry]) => ({ kind, name, entry })),
);

it.each(things)('$kind $name', ({ kind, name, entry }) => {
  const thing = thingsNamed(name).find((one) => one.kind === kind)!;
  expect(thing.options.map((option) => option.name)).toEqual(Object.keys(defOf(unwrapped(entry.schema)).shape ?? {}));
  for (const option of thing.options) expect(option.type).not.toMatch(/undefined|\[object|^$/);
  expect(thing.example['type']).toBe(name);
});

it('shows types, defaults, comments and arguments', () => {
  const [kl] = thingsNamed('kldivergence');
  expect(kl).toMatchObject({ kind: 'losses', name: 'KLDivergence', arguments: ['predsS', 'predsT', 'mask?'] });
  expect(kl!.options).toContainEqual(
    expect.objectContaining({
      name: 'tau',
      type: 'number > 0',
      required: false,
      comment: expect.stringMatching(/Temperature.*Default 1\./),
    }),
  );
  const [head] = thingsNamed('LinearClsHead');
  expect(head!.options).toContainEqual(
    expect.objectContaining({
      name: 'inChannels',
      type: 'integer > 0',
      required: true,
      comment: 'Channels of the features.',
    }),
  );
  expect(head!.options).toContainEqual(expect.objectContaining({ name: 'loss', type: '{ type: <headLoss>, ... }' }));
  expect(head!.example).toEqual({ type: 'LinearClsHead', numClasses: 1, inChannels: 1 });
  expect(thingsNamed('FunctionOutputs').map(({ kind }) => kind)).toEqual(['deliveries', 'recorders']);
  expect(() => thingsNamed('Kaimin')).toThrow(refusal('unknown-name', 'Kaimin', 'Kaiming'));
});

it('comments are found for nine options of ten', () => {
  const options = things.flatMap(({ kind, name }) => thingsNamed(name).find((one) => one.kind === kind)!.options);
  const without = options.filter(({ comment }) => comment === undefined).length;
  expect(without / options.length).toBeLessThan(0.1);
  expect(optionComments('EMAHook', 'engine/hooks', ['momentum']).get('momentum')).toMatch(/Default 0\.0002/);
});

it('topics are of names that there are', () => {
  const names = new Set(things.map(({ name }) => name));
  expect(Object.keys(topics).filter((name) => !names.has(name))).toEqual([]);
  const losses = Object.keys(registries.losses.entries);
  expect(losses.filter((name) => topics[name] === undefined)).toEqual([]);
});
