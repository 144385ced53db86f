// What `config check` sees of files and addresses without building anything.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { serializeSafetensors } from '../formats/index.ts';
import { fileMistakes } from './check-files.ts';
import { tables } from './registries.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-files-'));
  mkdirSync(join(folder, 'images'));
  writeFileSync(join(folder, 'good.safetensors'), Buffer.concat(serializeSafetensors(new Map())));
  writeFileSync(join(folder, 'bad.safetensors'), 'PK not a checkpoint of ours');
  writeFileSync(join(folder, 'ops.ts'), 'export function attention() {}\nexport class Head { assign() {} }\n');
  writeFileSync(join(folder, 'all.ts'), "export * from '../cli/ops.ts';\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

const said = (config: unknown): string[] =>
  fileMistakes(config, tables).map(({ text }) => text.replaceAll(folder, 'F'));
const at = (name: string): string => join(folder, name);

it('checkpoints, folders and files of every depth', () => {
  const network = (init: object) => ({ type: 'ImageClassifier', backbone: { type: 'ResNet', depth: 18, ...init } });
  const pretrained = (checkpoint: string) => ({
    initCfg: [
      { type: 'Constant', layer: 'Linear' },
      { type: 'Pretrained', checkpoint },
    ],
  });
  expect(
    said({
      model: {
        type: 'SingleTeacherDistill',
        architecture: network(pretrained(at('lost.safetensors'))),
        teacher: { ...network({}), pretrained: 'https://example.org/w.safetensors' },
        teacherCkpt: at('god.safetensors'),
      },
      trainData: {
        dataset: { type: 'CrdDataset', dataset: { type: 'ImageFolder', root: at('image'), annFile: at('images') } },
      },
      valData: { dataset: { type: 'FashionMnist', split: 'test', root: at('good.safetensors') } },
    }),
  ).toEqual([
    expect.stringMatching(/^model\.architecture\.backbone\.initCfg\.1\.checkpoint: no such file: F\/lost\.safetensors/),
    'model.teacher.pretrained: "https://example.org/w.safetensors" is an address, and nothing is downloaded: get the file, and name it here',
    'model.teacherCkpt: no such file: F/god.safetensors; did you mean "good.safetensors" or "bad.safetensors"?',
    'trainData.dataset.dataset.root: no such folder: F/image; did you mean "images"?',
    'trainData.dataset.dataset.annFile: F/images is not a file',
    'valData.dataset.root: F/good.safetensors is not a folder',
  ]);
  const teachers = { a: { buildCfg: network({}), ckptPath: at('bad.safetensors') }, b: network({ initCfg: null }) };
  const model = { type: 'MultiTeacherDistill', architecture: network({}), teachers };
  expect(said({ model })).toEqual([expect.stringMatching(/^model\.teachers\.a\.ckptPath: .*bad\.safetensors/)]);
  const good = {
    a: { buildCfg: network({}), ckptPath: at('good.safetensors') },
    b: { buildCfg: network({}), ckptPath: null },
  };
  expect(said({ model: { ...model, teachers: good } })).toEqual([]);
});

it('addresses of functions and methods, as far as the text of their modules tells', () => {
  const sources = (type: string, list: readonly string[]) =>
    Object.fromEntries(list.map((source, i) => [`r${i}`, { type, source, folder }]));
  const distiller = {
    type: 'ConfigurableDistiller',
    studentRecorders: {
      ...sources('FunctionOutputs', [
        './ops.ts#attention',
        './ops.ts#atention',
        './opps.ts#f',
        './all.ts#anything',
        'ops.ts',
      ]),
      m: { type: 'MethodOutputs', source: './ops.ts#Head.asign', folder },
      n: { type: 'MethodOutputs', source: './ops.ts#Head.assign', folder },
      o: { type: 'ModuleOutputs', source: 'head.fc' },
    },
    distillDeliveries: { d: { type: 'FunctionOutputs', source: 'pkg.ops.fn' } },
  };
  expect(said({ model: { type: 'SelfDistill', distiller } })).toEqual([
    'model.distiller.studentRecorders.r1.source: "./ops.ts#atention": F/ops.ts has no "atention"; did you mean "attention"?',
    expect.stringMatching(/r2\.source: "\.\/opps\.ts#f": no module[^]*did you mean "ops\.ts"/),
    expect.stringMatching(/r4\.source: "ops\.ts" is not the address of a function/),
    'model.distiller.studentRecorders.m.source: "./ops.ts#Head.asign": F/ops.ts has no "asign"; did you mean "assign"?',
    expect.stringMatching(/distillDeliveries\.d\.source: "pkg\.ops\.fn": no module/),
  ]);
});
