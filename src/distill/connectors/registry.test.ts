// The table of connectors: each runs the contract; lists are sequences; modules pass.
import { readdirSync, readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { Identity, Sequential } from '../../nn/index.ts';
import { tidy } from '../../torch/index.ts';
import { buildConnector, connectors, ConvModuleConnector } from './index.ts';
import type { FBKDStudentConnector } from './index.ts';
import * as exported from './index.ts';

it('every connector is exported, and its test runs the contract', () => {
  const folder = new URL('./', import.meta.url);
  const tests = readdirSync(folder).filter((file) => file.endsWith('.test.ts') && file !== 'registry.test.ts');
  const texts = tests.map((file) => readFileSync(new URL(file, folder), 'utf8')).join('\n');
  expect(connectors.names()).toHaveLength(13);
  for (const name of connectors.names()) {
    expect(exported).toHaveProperty(name);
    expect(texts, name).toContain(`describeConnector('${name}'`);
  }
});

it('a list is a sequence, a module is taken as it is', () => {
  tidy(() => {
    const identity = new Identity();
    expect(buildConnector(identity)).toBe(identity);
    const list = buildConnector([
      { type: 'ConvModuleConnector', inChannels: 2, outChannels: 3, actCfg: null },
      identity,
      { type: 'TorchFunctionalConnector', functionName: 'interpolate', funcArgs: { size: [2, 5], mode: 'bilinear' } },
    ]) as Sequential;
    expect(list).toBeInstanceOf(Sequential);
    expect(list.get(0)).toBeInstanceOf(ConvModuleConnector);
    expect(list.forward(wave({ shape: [1, 2, 4, 4], a: 1, b: 0 }, 'float32')).shape).toEqual([1, 3, 2, 5]);
    expect(Object.keys(list.stateDict())).toEqual(['0.conv_module.conv.weight', '0.conv_module.conv.bias']);
  });
});

it('errors name the location in the config', () => {
  expect(() => buildConnector([{ type: 'Trnslator' }], 'connector "neck"')).toThrow(
    refusal('unknown-name', 'neck', 'Trnslator', 'Translator', '[0]'),
  );
  expect(() => buildConnector([], 'connector "neck"')).toThrow(refusal('invalid-argument', 'connector "neck"'));
  const norm = { type: 'NormConnector', inChannels: 4, normCfg: { type: 'BN', afine: false } };
  expect(() => buildConnector(norm, 'connector "neck"')).toThrow(
    refusal('unknown-option', 'afine', 'affine', 'neck', 'in', 'NormConnector'),
  );
});

it.each(['ConvModuleConnector', 'Translator', 'Paraphraser', 'BYOTConnector'])(
  '%s takes older names of channels',
  (type) => {
    const more = type === 'BYOTConnector' ? { numClasses: 2 } : {};
    const { options } = buildConnector({ type, inChannel: 4, outChannel: 8, ...more }) as ConvModuleConnector;
    expect(options).toMatchObject({ inChannels: 4, outChannels: 8 });
    expect(() => buildConnector({ type, inChannel: 4, inChannels: 4, outChannel: 8, ...more })).toThrow(
      refusal('invalid-argument', 'inChannel', 'inChannels'),
    );
  },
);

it.each(['FBKDStudentConnector', 'FBKDTeacherConnector'])('%s takes older names of temperatures', (type) => {
  const { options } = buildConnector({ type, inChannels: 4, spatialT: 2, channelT: 3 }) as FBKDStudentConnector;
  expect(options).toMatchObject({ spatialTau: 2, channelTau: 3 });
});
