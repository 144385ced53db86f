// Every loss that a config can name has a test of its own that runs the contract.
import { readdirSync, readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { buildLoss, losses } from './index.ts';

const tests = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => readFileSync(`${import.meta.dirname}/${file}`, 'utf8'))
  .join('\n');

it.each(losses.names())('%s runs the contract', (name) => {
  expect(new RegExp(`describeLoss\\(\\s*'${name}'`).test(tests)).toBe(true);
});

it('names all losses of MMRazor', () => {
  const original = [
    ...['KLDivergence', 'DKDLoss', 'KDSoftCELoss', 'CrossEntropyLoss', 'DISTLoss', 'WSLD', 'ChannelWiseDivergence'],
    ...['ABLoss', 'ATLoss', 'FTLoss', 'OFDLoss', 'L1Loss', 'L2Loss', 'MGDLoss', 'PKDLoss', 'FBKDLoss'],
    ...['DistanceWiseRKD', 'AngleWiseRKD', 'CRDLoss', 'OnehotLikeLoss', 'InformationEntropyLoss', 'ActivationLoss'],
  ];
  expect(original).toHaveLength(22);
  expect(losses.names()).toEqual(expect.arrayContaining(original));
});

it('lists every file of a loss, and exports its class', () => {
  const listed = readFileSync(`${import.meta.dirname}/all.ts`, 'utf8');
  const others = ['all.ts', 'index.ts', 'loss.ts', 'registry.ts'];
  const files = readdirSync(import.meta.dirname).filter((file) => /^[\w-]+\.ts$/.test(file) && !others.includes(file));
  expect(files).toHaveLength(losses.names().length);
  expect(files.filter((file) => !listed.includes(`'./${file}'`))).toEqual([]);
});

it.each([
  ['CRDLoss', { sampleN: 4, negNum: 1, temperature: 0.1 }, { tau: 0.1 }],
  ['FGDLoss', { channels: 1, temperature: 2 }, { tau: 2 }],
  ['CATKDLoss', { normalise: false }, { normalize: false }],
  ['FBKDLoss', { nonloaclWeight: 3 }, { nonlocalWeight: 3 }],
])('%s takes %j, an older name', (type, older, newer) => {
  expect(buildLoss({ type, ...older }).options).toMatchObject(newer);
});
