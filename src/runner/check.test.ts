// All that is wrong with a config, as a program is told: of files and objects, of what is written, of networks, of data.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, expectTypeOf, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { logitsDistiller, tinyExperiment, tinyImages, tinyNetwork } from '../../test/networks.ts';
import type { ExperimentConfig } from '../config/index.ts';
import { RetortError } from '../errors.ts';
import { buildModel, toTheirNames } from '../models/index.ts';
import { saveTensors } from '../nn/index.ts';
import { tidy } from '../torch/index.ts';
import { build, check, load } from './index.ts';
import type { CheckMistake, CheckReport } from './index.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-check-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const images = tinyImages(16);
const config = tinyExperiment();
const distilled = (changes: object = {}, network: object = tinyNetwork(4)): object => ({
  ...config,
  model: {
    type: 'SingleTeacherDistill',
    architecture: network,
    teacher: tinyNetwork(6),
    distiller: { ...logitsDistiller(), ...changes },
  },
});

function write(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content, null, 2));
  return path;
}

it('says that all is well, and how far it has looked', async () => {
  const report = await check(config);
  expect(report).toEqual({
    ok: true,
    mistakes: [],
    notes: [],
    stages: [{ name: '', notes: [] }],
    checked: 'networks',
  });
  expect(await check(config, { build: false })).toEqual({ ...report, stages: [], checked: 'written' });
  const probed = await check(distilled() as ExperimentConfig, { probe: true });
  expect([probed.ok, probed.checked]).toEqual([true, 'forward']);
  expect(probed.stages[0]!.probe!.recorders.map(({ name, records }) => [name, records])).toEqual([
    ['fc', 1],
    ['fc', 1],
  ]);
});

it('says what files of weights fill, whoever wrote them, and what a teacher lacks', async () => {
  const file = (name: string, classes: number): string => {
    const network = tinyNetwork(6);
    const head = { type: 'LinearClsHead', numClasses: classes, inChannels: 6 };
    const path = join(folder, name);
    const net = buildModel({ ...network, head });
    tidy(() => saveTensors(path, toTheirNames(net.stateDict(), 'torchvision').state));
    return path;
  };
  const whole = file('torchvision.safetensors', 4);
  const student = { ...tinyNetwork(6), pretrained: file('seven.safetensors', 7) };
  const loaded = (teacherCkpt: string): ExperimentConfig => {
    const { model } = distilled({}, student) as { model: object };
    return { ...config, model: { ...model, teacherCkpt } } as unknown as ExperimentConfig;
  };
  const { ok, stages } = await check(loaded(whole));
  expect(ok).toBe(true);
  const seven =
    /^student: .*seven.*torchvision's names.*head\.fc: 4 classes here, 7 in the file: left at its initial values/;
  const teacher = /^teacher: .*torchvision\.safetensors.*17 of 17 tensors$/;
  expect(stages[0]!.notes).toEqual([expect.stringMatching(seven), expect.stringMatching(teacher)]);
  const said: string[] = [];
  using built = await build(loaded(whole), { note: (text) => said.push(text) });
  expect(said).toEqual(stages[0]!.notes);
  expect(built.stage().weights.map(({ network, report }) => [network, report.convention])).toEqual([
    ['student', 'torchvision'],
    ['teacher', 'torchvision'],
  ]);
  const { error } = await check(loaded(join(folder, 'seven.safetensors')));
  expect(error).toEqual(refusal('mismatch', 'head.fc.weight', '[7, 6]', '[4, 6]', 'classes'));
});

it('finds all that is written wrongly at once, each with its path, file and line', async () => {
  const wrong = {
    ...config,
    optimizer: { type: 'SDG', lrr: 0.1 },
    schedulers: [{ type: 'CosinAnnealingLR' }],
    model: { ...config.model, teacherCkpt: 'lost.safetensors' },
  };
  const report = await check(write('wrong.json', wrong));
  expect([report.ok, report.checked, report.stages]).toEqual([false, 'written', []]);
  expect(report.mistakes.map(({ path }) => path)).toEqual(
    expect.arrayContaining(['optimizer.type', 'optimizer.lrr', 'schedulers.0.type', 'model.teacherCkpt']),
  );
  const [misspelt] = report.mistakes.filter(({ path }) => path === 'optimizer.type');
  expect(misspelt!.message).toMatch(/"SDG".*did you mean "SGD"/);
  expect(misspelt!.file).toMatch(/wrong\.json$/);
  const lines = JSON.stringify(wrong, null, 2).split('\n');
  expect(lines[misspelt!.line! - 1]).toMatch(/"SDG"/);
  expect(report.error).toBeInstanceOf(RetortError);
  expect(report.error!.message.split('\n').length).toBeGreaterThan(report.mistakes.length);
});

it('takes objects, whose paths begin in the folder that is named', async () => {
  const wrong = { ...config, epochs: 0, valData: { ...images, dataset: { type: 'ImageFolder', root: 'images' } } };
  const { mistakes, error } = await check(wrong as ExperimentConfig, { base: folder });
  expect(mistakes).toEqual([
    { message: expect.stringMatching(/^epochs: .*got 0/) as string, path: 'epochs', file: 'config' },
    {
      message: expect.stringContaining(join(folder, 'images')) as string,
      path: 'valData.dataset.root',
      file: 'config',
    },
  ]);
  expect(error!.message).toMatch(/^config:\n {4}epochs: /);
  expect((await check(config, { cfgOptions: ['optimizer.momentum=-1', 'epochs=3'] })).mistakes).toEqual([
    expect.objectContaining({ path: 'optimizer.momentum', file: '--cfg-options optimizer.momentum=-1' }),
  ]);
});

it('finds what is wrong with the networks of every stage', async () => {
  const mapping = { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'lost', fromStudent: false } };
  const recorders = { fc: { type: 'ModuleOutputs', source: 'head.fcc' } };
  const stages = [
    { name: 'sources', model: (distilled({ studentRecorders: recorders }) as ExperimentConfig).model },
    { name: 'fine' },
    { name: 'mappings', model: (distilled({ lossForwardMappings: { loss_kl: mapping } }) as ExperimentConfig).model },
    {
      name: 'later',
      model: {
        type: 'SingleTeacherDistill',
        architecture: tinyNetwork(4),
        teacher: { type: 'FromStage', stage: 'sources' },
        distiller: logitsDistiller(),
      },
    },
  ];
  const { model, ...common } = config;
  const whole = { ...common, stages: stages.map((stage) => ({ model, ...stage })) };
  const { ok, mistakes, stages: built, error } = await check(write('stages.json', whole));
  expect(ok).toBe(false);
  expect(mistakes.map(({ stage }) => stage)).toEqual(['sources', 'mappings']);
  expect(mistakes[0]!.message).toMatch(/head\.fcc/);
  expect(mistakes[1]!.message).toMatch(/"lost"/);
  expect(built.map(({ name }) => name)).toEqual(['fine']);
  expect(error!.message).toMatch(/stages\.json:\n[^]*fcc[^]*lost/);
});

it('with a probe finds what does not fit', async () => {
  const { head, ...rest } = tinyNetwork(4);
  const three = { ...rest, head: { ...(head as object), numClasses: 3 } };
  const { ok, mistakes, checked, error } = await check(distilled({}, three) as ExperimentConfig, { probe: true });
  expect([ok, checked]).toEqual([false, 'forward']);
  expect(mistakes.map(({ message }) => message).join('\n')).toMatch(/"student" has 3 classes, the data 4/);
  expect(error!.message).toMatch(/^config: the probe on a few images found/);
});

it('files that cannot be read, and Python, are told of in the same way', async () => {
  const { mistakes } = await check(join(folder, 'nothing.json'));
  expect(mistakes).toEqual([{ message: expect.stringMatching(/no such file/) as string }]);
  const broken = await check(write('broken.json', '{\n  "epochs": 1,,\n}'));
  expect(broken.mistakes).toEqual([
    expect.objectContaining({ line: 2, file: expect.stringMatching(/broken/) as string }),
  ]);
  const python = await check(write('kd.py', "model = dict(\n  type='SingleTeacherDistil')\nfoo = dict(type='Bar')\n"));
  expect(python.mistakes).toEqual([
    {
      message: expect.stringMatching(/there is no .* "SingleTeacherDistil" here/) as string,
      path: 'model.type',
      file: expect.stringMatching(/kd\.py$/) as string,
      line: 2,
      column: 8,
    },
  ]);
});

it('reads a config once for all', async () => {
  const experiment = await load(write('once.json', config), { cfgOptions: ['epochs=7'] });
  rmSync(join(folder, 'once.json'));
  expect(experiment.stages[0]!.config.epochs).toBe(7);
  expect(experiment.print()).toMatch(/epochs = 7 +# --cfg-options/);
  expect((await check(experiment)).ok).toBe(true);
});

it('has types', () => {
  expectTypeOf(check).returns.resolves.toEqualTypeOf<CheckReport>();
  expectTypeOf<CheckMistake['line']>().toEqualTypeOf<number | undefined>();
  // @ts-expect-error -- no such option
  void (() => check(config, { probes: true }));
  // @ts-expect-error -- a number is no config
  void (() => check(3));
});
