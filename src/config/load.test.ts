// Loading configs: bases, live values, stages, what is refused.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';

import { loadConfig, withOptionPaths } from './index.ts';
import { LiveValues, shownLive } from './live-values.ts';
import { entry, pathTo } from '../registry/index.ts';
import { refusal } from '../../test/refusal.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-config-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, content: unknown): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const data = { dataset: { type: 'SyntheticImages' }, batchSize: 4 };
const whole = {
  model: { type: 'Supervised', architecture: { type: 'ImageClassifier' }, teacherCkpt: 'weights.safetensors' },
  trainData: data,
  valData: data,
  optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9 },
  epochs: 2,
};

it('merges over bases, keeps where each value comes from, and paths relative to the file they stand in', async () => {
  write('below/common.json', whole);
  const path = write('child.json', { base: 'below/common.json', epochs: 3, optimizer: { lr: 0.5 } });
  const loaded = await loadConfig(path, { cfgOptions: ['optimizer.momentum=0.8'] });
  const [{ config }] = loaded.stages as [(typeof loaded.stages)[number]];
  expect(config.epochs).toBe(3);
  expect(config.optimizer).toEqual({ type: 'SGD', lr: 0.5, momentum: 0.8 });
  expect(config.model['teacherCkpt']).toBe(join(folder, 'below', 'weights.safetensors'));
  const printed = loaded.print();
  expect(printed).toMatch(/epochs = 3 +# .*child.json/);
  expect(printed).toMatch(/optimizer.type = "SGD" +# .*common.json/);
  expect(printed).toMatch(/optimizer.momentum = 0.8 +# --cfg-options/);
  expect(loaded.data).toEqual(loaded.value);
});

it('takes the roots of data from the file they stand in, and those of the command line from the current folder', async () => {
  const image = { type: 'ImageFolder', root: 'images/train', annFile: '../lists/train.txt' };
  const common = {
    ...whole,
    trainData: { ...data, dataset: { type: 'CrdDataset', dataset: image } },
    testData: { ...data, dataset: { type: 'ImageNet', split: 'val', root: '../in1k', annFile: 'meta/own.txt' } },
  };
  write('below/common.json', common);
  const dataOf = async (path: string, cfgOptions: string[] = []) => {
    const [stage] = (await loadConfig(path, { cfgOptions })).stages;
    const { trainData, valData, testData } = stage!.config;
    return [trainData, valData, testData!].map(({ dataset }) => dataset);
  };
  const child = { base: 'below/common.json', valData: { dataset: { type: 'ImageFolder', root: './val' } } };
  const expected = [
    {
      type: 'CrdDataset',
      dataset: {
        type: 'ImageFolder',
        root: join(folder, 'below/images/train'),
        annFile: join(folder, 'lists/train.txt'),
      },
    },
    { type: 'ImageFolder', root: join(folder, 'val') },
    // Its list of labels lies inside its root.
    { type: 'ImageNet', split: 'val', root: join(folder, 'in1k'), annFile: 'meta/own.txt' },
  ];
  expect(await dataOf(write('child.json', child))).toEqual(expected);
  const yaml = 'base: below/common.json\nvalData: { dataset: { type: ImageFolder, root: ./val } }';
  expect(await dataOf(write('child.yaml', yaml))).toEqual(expected);
  expect(await dataOf(write('child.mjs', `export default ${JSON.stringify(child)}`))).toEqual(expected);
  expect(
    (await dataOf(join(folder, 'child.json'), ['valData.dataset.root=elsewhere', 'model.teacherCkpt=w']))[1],
  ).toEqual({
    type: 'ImageFolder',
    root: resolve('elsewhere'),
  });
  expect(
    withOptionPaths([
      'a.root=x',
      'b.root=/y',
      'c.size=x',
      'teacherCkpt=https://x/y',
      'annFile=',
      'd',
      'imports=a.ts,b.ts',
      'root=[a]',
      'root="a b"',
    ]),
  ).toEqual([
    `a.root="${resolve('x')}"`,
    ...['b.root=/y', 'c.size=x', 'teacherCkpt=https://x/y', 'annFile=', 'd', 'imports=a.ts,b.ts', 'root=[a]'],
    `root="${resolve('a b')}"`,
  ]);
});

it("takes paths in options of users' entries from the file they are written in, by their schemas", async () => {
  const mine = entry(
    z.strictObject({ words: pathTo('file'), nested: z.strictObject({ at: pathTo('checkpoint') }).exactOptional() }),
    () => undefined,
    { summary: 'Mine.' },
  );
  const tables = {
    dataset: { Mine: mine, SyntheticImages: entry(z.looseObject({}), () => undefined, { summary: '' }) },
  };
  const dataset = { type: 'Mine', words: './words.txt', nested: { at: 'a.safetensors' } };
  write('below/common.json', { ...whole, trainData: { dataset, batchSize: 4 } });
  const child = {
    base: 'below/common.json',
    valData: { dataset: { type: 'Mine', words: 'https://x/y' } },
    stages: [{ name: 'a' }, { name: 'b', trainData: { dataset: { words: 'other.txt' } } }],
  };
  const { stages } = await loadConfig(write('child.json', child), {
    tables,
    cfgOptions: ['testData.dataset.type=Mine', 'testData.dataset.words=here.txt', 'testData.batchSize=1'],
  });
  const below = {
    ...dataset,
    words: join(folder, 'below/words.txt'),
    nested: { at: join(folder, 'below/a.safetensors') },
  };
  expect(stages.map(({ config }) => config.trainData.dataset)).toEqual([
    below,
    { ...below, words: join(folder, 'other.txt') },
  ]);
  expect(stages[0]!.config.valData.dataset).toMatchObject({ words: 'https://x/y' });
  expect(stages[1]!.config.testData!.dataset).toEqual({ type: 'Mine', words: resolve('here.txt') });
});

it('drops what is below with _delete_, in bases and in stages', async () => {
  write('common.json', whole);
  const optimizer = { _delete_: true, type: 'Adam' };
  const child = await loadConfig(write('child.json', { base: ['common.json'], optimizer }));
  expect(child.stages[0]!.config.optimizer).toEqual({ type: 'Adam' });
  const stages = [{ name: 'one' }, { name: 'two', optimizer, epochs: 7 }];
  const staged = await loadConfig(write('staged.json', { base: 'common.json', stages }));
  expect(staged.stages.map(({ name, config }) => [name, config.epochs, config.optimizer['type']])).toEqual([
    ['one', 2, 'SGD'],
    ['two', 7, 'Adam'],
  ]);
});

it('refuses circles, missing bases, two bases that set the same key, and files that are none', async () => {
  write('a.json', { base: 'b.json' });
  const circle = write('b.json', { base: 'a.json' });
  await expect(loadConfig(circle)).rejects.toThrow(refusal('invalid-config', 'a.json:1:9', 'b.json'));
  await expect(loadConfig(write('lost.json', { base: 'nowhere.json' }))).rejects.toThrow(
    refusal('not-found', 'nowhere.json'),
  );
  write('one.json', whole);
  write('two.json', { epochs: 4 });
  await expect(loadConfig(write('both.json', { base: ['one.json', 'two.json'] }))).rejects.toThrow(
    refusal('invalid-config', 'epochs'),
  );
  await expect(loadConfig(write('base.json', { base: 3 }))).rejects.toThrow(
    refusal('invalid-config', 'base.json:1:9', 'base'),
  );
  await expect(loadConfig(write('text.toml', ''))).rejects.toThrow(
    refusal('unsupported', 'text.toml', '.ts, .js, .json, .yaml', '.toml'),
  );
  await expect(loadConfig(write('list.json', []))).rejects.toThrow(refusal('invalid-config', 'list.json', 'a list'));
  await expect(loadConfig(write('torn.json', '{"a":'))).rejects.toThrow(refusal('invalid-config', 'torn.json:1:6'));
  await expect(loadConfig(write('torn.yaml', 'a: [1'))).rejects.toThrow(refusal('invalid-config', 'torn.yaml'));
  await expect(loadConfig(write('py.py', 'a = 1'))).rejects.toThrow(refusal('invalid-argument', 'Python'));
});

it('cannot be made to pollute prototypes, nor to hold more than it should', async () => {
  await expect(loadConfig(write('proto.json', '{"__proto__": {"polluted": 1}}'))).rejects.toThrow(
    refusal('invalid-config', '__proto__'),
  );
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
  const aliases = Array.from({ length: 30 }, (_, i) => `x${i + 1}: &x${i + 1} [${`*x${i},`.repeat(10)}]`);
  const laughs = `x0: &x0 [lol]\n${aliases.join('\n')}`;
  await expect(loadConfig(write('laughs.yaml', laughs))).rejects.toThrow(
    refusal('invalid-config', 'laughs.yaml', '100,000'),
  );
  await expect(loadConfig(write('deep.json', `${'['.repeat(5000)}${']'.repeat(5000)}`))).rejects.toThrow(
    refusal('invalid-config', '100 deep'),
  );
});

it('lists all that is wrong at once', async () => {
  const wrong = { ...whole, epochs: '2', trainData: { ...data, batchSize: 0 }, optimiser: 1 };
  const message = await loadConfig(write('wrong.json', wrong)).then(String, String);
  expect(message).toMatch(/epochs: .*got "2"/);
  expect(message).toMatch(/trainData.batchSize: .*got 0/);
  expect(message).toMatch(/"optimiser".*did you mean "optimizer"/);
});

it('takes live values out of a config and puts the very same back', () => {
  class Head {
    readonly classes = 3;
  }
  const method = { class: Head, method: 'assign' };
  const instance = new Head();
  const live = new LiveValues();
  const out = live.takeOut({ a: [method], b: instance, c: 1 }) as { a: [{ class: string }]; b: string; c: number };
  expect(shownLive(out.a[0].class)).toBe('<class Head>');
  expect(shownLive(out.b)).toBe('<a Head>');
  expect(shownLive('plain')).toBe('plain');
  const back = live.putBack(out) as { a: [typeof method]; b: Head };
  expect(back.a[0].class).toBe(Head);
  expect(back.b).toBe(instance);
  expect(live.size).toBe(2);
});
