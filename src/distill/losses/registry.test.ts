// Every loss that a config can name has a test of its own that runs the contract.
import { readdirSync, readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { losses } from './index.ts';

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
