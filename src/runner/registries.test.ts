// Optimisers and schedulers in the check of types: found alone and by part, with what stands beside their options.
import { expect, it } from 'vitest';
import { z } from 'zod';

import { experimentSchema, withEntries } from '../config/index.ts';
import { entry, findMistakes } from '../registry/index.ts';
import { optionsOf, tables } from './registries.ts';

const said = (config: unknown, own = {}): string[] =>
  findMistakes(experimentSchema, config, { tables: withEntries(tables, own), optionsOf })
    .map(({ text }) => text)
    .filter((text) => /^(?:optimizer|schedulers)/.test(text));

it('finds every mistake in optimizers and schedulers at once', () => {
  const mistakes = said({
    optimizer: { type: 'SDG', lrr: 1 },
    schedulers: [
      { type: 'CosinAnnealingLR' },
      { type: 'LinearLR', by: 'step', totalIter: 3, begin: 1 },
      { type: 'StepLR', stepSize: 1.5 },
    ],
  });
  expect(mistakes).toEqual([
    expect.stringMatching(/optimizer: .*"SDG".*did you mean "SGD"/),
    'optimizer SGD: lr: expected a number, got nothing',
    'optimizer SGD: "lrr" is no option; did you mean "lr"?',
    expect.stringMatching(/schedulers\.0: .*did you mean "CosineAnnealingLR"/),
    expect.stringMatching(/schedulers\.1 LinearLR: .*"totalIter".*did you mean "totalIters"/),
    expect.stringMatching(/schedulers\.2 StepLR: stepSize: .*got 1.5/),
  ]);
});

it('by part, too', () => {
  const mistakes = said({
    optimizer: { architecture: { type: 'Adm', lr: 1 }, generator: { type: 'Adam', lr: -1, paramwise: {} } },
    schedulers: { generator: [{ type: 'StpLR' }] },
  });
  expect(mistakes).toEqual([
    expect.stringMatching(/optimizer\.architecture: .*did you mean "Adam"/),
    expect.stringMatching(/optimizer\.generator Adam: lr: .*got -1/),
    expect.stringMatching(/schedulers\.generator\.0: .*did you mean "StepLR"/),
    'schedulers.generator.0 StepLR: stepSize: expected a number, got nothing',
  ]);
});

it('says nothing of what is fine, and knows entries of users', () => {
  const schedulers = [
    { type: 'CosineAnnealingLR', by: 'step', begin: 5, end: 9 },
    { type: 'LinearLR', everyStep: true, totalIters: 0.5 },
    { type: 'MultiStepLR', milestones: [3] },
  ];
  expect(
    said({ optimizer: { type: 'AdamW', paramwise: { customKeys: { head: { lrMult: 2 } } } }, schedulers }),
  ).toEqual([]);
  const lion = entry(z.strictObject({ lr: z.number() }), () => () => undefined, { summary: 'Lion.' });
  const own = { optimizer: { Lion: lion } };
  expect(said({ optimizer: { type: 'Lion', lr: 1, paramwise: {} } }, own)).toEqual([]);
  expect(said({ optimizer: { type: 'Lion', rate: 1 } }, own).join()).toMatch(/"rate"/);
});
