// The command `retort`, as a person uses it: help, mistakes, a run, Ctrl-C and resume. Runs the build in dist/.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { commandFile, runCommand } from './command.ts';
import { buildModel } from '../src/models/index.ts';
import { loadTensors, saveModule } from '../src/nn/index.ts';
import { kd } from '../src/openmmlab/openmmlab.contract.ts';
import { engineInfo, tidy } from '../src/torch/index.ts';

const example = fileURLToPath(new URL('../examples/own-modules.ts', import.meta.url));
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const retort = (...args: string[]) => runCommand(args, { cwd: folder });

const config = {
  model: {
    type: 'Supervised',
    architecture: {
      type: 'ImageClassifier',
      backbone: {
        type: 'ResNet_CIFAR',
        depth: 18,
        stageBlocks: [1],
        numStages: 1,
        inChannels: 1,
        stemChannels: 4,
        baseChannels: 4,
      },
      neck: { type: 'GlobalAveragePooling' },
      head: { type: 'LinearClsHead', numClasses: 4, inChannels: 4 },
    },
  },
  trainData: {
    dataset: { type: 'SyntheticImages', samples: 512 },
    batchSize: 8,
    transforms: [{ type: 'Normalize', mean: [0.5], std: [0.5] }],
  },
  valData: {
    dataset: { type: 'SyntheticImages', samples: 64, seed: 1 },
    batchSize: 32,
    transforms: [{ type: 'Normalize', mean: [0.5], std: [0.5] }],
  },
  optimizer: { type: 'SGD', lr: 0.05, momentum: 0.9 },
  schedulers: [{ type: 'CosineAnnealingLR', by: 'step' }],
  epochs: 2,
};

function write(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(content));
  return path;
}

it('helps, and answers misspelt commands and options', () => {
  expect(retort('--help').out).toMatch(/quickstart[^]*train[^]*doctor/);
  expect(retort('tarin').err).toMatch(/Did you mean train/);
  expect(retort('train', 'x.json', '--epohcs', '3').err).toMatch(/Did you mean --epochs/);
  expect(retort('train', 'x.json', '--epochs', 'many').err).toMatch(/expected an integer of at least 1/);
});

it('says all that is wrong with a config, in one go, without a stack', () => {
  const wrong = { ...config, epochs: 0, optimiser: {}, trainData: { ...config.trainData, batchSize: '8' } };
  const { code, err } = retort('train', write('wrong.json', wrong));
  expect(code).toBe(1);
  expect(err).toMatch(/epochs: .*got 0/);
  expect(err).toMatch(/trainData.batchSize: .*got "8"/);
  expect(err).toMatch(/"optimiser".*did you mean "optimizer"/);
  expect(err).not.toMatch(/at .*\.js:\d+/);
  expect(retort('train', 'nothing.ts').err).toMatch(/config nothing.ts: no such file/);
  const model = { ...config, model: { ...config.model, type: 'Supervise' } };
  expect(retort('train', write('model.json', model)).err).toMatch(
    /model: unknown algorithm "Supervise"; did you mean "Supervised"/,
  );
});

it('trains, stops on Ctrl-C, resumes to the very same student', async () => {
  const file = write('config.json', config);
  const whole = retort('train', file, '--work-dir', 'whole');
  expect(whole.err).toBe('');
  expect(whole.out).toMatch(/epoch 2\/2 {2}accuracy: student/);
  expect(whole.out).toMatch(/the student is whole\/student.safetensors/);

  const child = spawn(process.execPath, [commandFile, 'train', file, '--work-dir', 'parts'], { cwd: folder });
  let [out, sent] = ['', false];
  child.stderr.on('data', (chunk: Buffer) => (out += String(chunk)));
  const code = new Promise<number | null>((resolve) => child.on('close', resolve));
  child.stdout.on('data', (chunk: Buffer) => {
    out += String(chunk);
    if (!sent && /step +1\//.test(out)) sent = child.kill('SIGINT');
  });
  expect(await code).toBe(130);
  expect(out).toMatch(/finishing the step and saving/);
  expect(out).toMatch(/go on with\n {2}node \S*dist\/cli\/main\.js train --resume parts\n/);
  expect(retort('train', file, '--work-dir', 'parts', '--resume').out).toMatch(/resuming at epoch/);
  const student = (name: string): Buffer => readFileSync(join(folder, name, 'student.safetensors'));
  expect(student('parts').equals(student('whole'))).toBe(true);
});

it('checks and prints configs: bases, options, all mistakes of types and options at once', () => {
  write('base.json', config);
  const child = { base: 'base.json', epochs: 3, optimizer: { lr: 0.01 } };
  const file = write('child.json', child);
  const printed = retort(
    'config',
    'print',
    file,
    '--cfg-options',
    'optimizer.momentum=0.5',
    'trainData.batchSize=4',
  ).out;
  expect(printed).toMatch(/epochs = 3 +# .*child.json/);
  expect(printed).toMatch(/optimizer.type = "SGD" +# .*base.json/);
  expect(printed).toMatch(/optimizer.lr = 0.01 +# .*child.json/);
  expect(printed).toMatch(/optimizer.momentum = 0.5 +# --cfg-options/);
  const { out } = retort('config', 'check', file, '--probe');
  expect(out).toMatch(/child.json is fine \(checked: all of it, with one forward\)/);
  const backbone = { ...config.model.architecture.backbone, type: 'ResNet_CIFR', dpeth: 18 };
  const wrong = {
    ...config,
    model: {
      ...config.model,
      architecture: { ...config.model.architecture, backbone, head: { type: 'LinearClsHead' } },
    },
    hooks: [{ type: 'StopDistillHook' }],
  };
  const { code, err } = retort('config', 'check', write('types.json', wrong));
  expect(code).toBe(1);
  expect(err).toMatch(/model.architecture.backbone: unknown backbone "ResNet_CIFR"; did you mean "ResNet_CIFAR"/);
  expect(err).toMatch(/model.architecture.head LinearClsHead: numClasses/);
  expect(err).toMatch(/hooks.0 StopDistillHook: stopEpoch/);
});

it('reads YAML, resumes a run from its folder alone, and tests its student', () => {
  const text = JSON.stringify({ ...config, epochs: 1 }); // JSON is YAML
  writeFileSync(join(folder, 'config.yaml'), text);
  expect(retort('train', 'config.yaml', '--work-dir', 'run').err).toBe('');
  for (const name of ['run.json', 'config.json', 'config.txt'])
    expect(existsSync(join(folder, 'run', name))).toBe(true);
  rmSync(join(folder, 'config.yaml'));
  expect(retort('train', '--resume', 'run').out).toMatch(/the student is run\/student.safetensors/);
  const tested = retort('test', join('run', 'config.json'), join('run', 'student.safetensors'), '--json');
  expect((JSON.parse(tested.out) as { student: object }).student).toHaveProperty('accuracy');
  expect(retort('train', '--resume', 'nowhere').err).toMatch(/nowhere is not a run's folder/);
  expect(retort('train').err).toMatch(/name a config, or the folder of a run/);
});

it("exports a run's student", () => {
  writeFileSync(join(folder, 'exported.json'), JSON.stringify({ ...config, epochs: 1 }));
  expect(retort('train', 'exported.json', '--work-dir', 'exported').err).toBe('');
  const { out, err } = retort('export', 'exported', '--onnx', 'student.onnx', '--int8', '--data', '--samples', '8');
  expect(err).toBe('');
  expect(out).toMatch(/checked: within .*\n.*\n[^]*float32 .*%.*ms[^]*int8 .*%.*ms[^]*student.onnx: \d+ KiB, int8/);
  expect(retort('export', 'exported').err).toMatch(/name what to write[^]*--onnx FILE/);
  expect(retort('export', 'exported', '--onnx', 'x.onnx', '--int8', '--fp16').err).toMatch(/cannot be used with/);
  expect(retort('export', 'exported', '--onnx', 'x.onnx', '--exclude', '/conv9').err).toMatch(/exclude: .*int8/);
  expect(retort('export', 'exported', '--onnx', 'x.onnx', '--int8', '--exclude', '/conv9').err).toMatch(/conv9/);
});

it("reads the original's Python configs as they are, and prints them in our words", () => {
  const path = join(folder, 'kd.py');
  writeFileSync(path, kd.replaceAll('pretrained=True', 'pretrained=False'));
  expect(retort('config', 'check', path).out).toMatch(/kd.py is fine/);
  const printed = retort('config', 'print', path, '--cfg-options', 'model.distiller.distill_losses.loss_kl.tau=4').out;
  expect(printed).toMatch(/model.distiller.distillLosses.loss_kl.lossWeight = 3 +# .*kd.py:\d+/);
  expect(printed).toMatch(/model.distiller.distillLosses.loss_kl.tau = 4 +# --cfg-options/);
  expect(printed).toMatch(/model.teacher.backbone.depth = 34/);
  writeFileSync(path, 'import os\nmodel = os.environ\n');
  expect(retort('config', 'check', path).err).toMatch(/kd.py:1:1: .*import/);
  writeFileSync(path, "model = dict(type='SingleTeacherDistil')\n");
  expect(retort('config', 'check', path).err).toMatch(
    /kd.py:1:19: model.type: there is no .* "SingleTeacherDistil" here/,
  );
});

it("writes a student under another library's names, and back", () => {
  const net = buildModel(config.model.architecture);
  saveModule(join(folder, 'student.safetensors'), net);
  const there = retort('convert', '.', 'timm.safetensors', '--to', 'timm', '--half');
  expect([there.code, there.err]).toEqual([0, '']);
  expect(there.out).toMatch(/student\.safetensors.*\n.*timm.*\nwrote +timm\.safetensors: \d+ tensors, float16\n$/);
  expect(retort('convert', 'timm.safetensors', 'back.safetensors').out).toMatch(/timm|torchvision/);
  expect(tidy(() => Object.keys(loadTensors(join(folder, 'back.safetensors')).tensors))).toEqual(
    tidy(() => Object.keys(loadTensors(join(folder, 'student.safetensors')).tensors)),
  );
  const again = retort('convert', 'timm.safetensors', 'back.safetensors');
  expect([again.code, again.err]).toEqual([1, expect.stringMatching(/back\.safetensors is there.*\n.*--force/)]);
});

it('lists what configs can name', () => {
  expect(retort('list', 'losses', '--search', 'hinton').out).toMatch(/KLDivergence/);
  expect((JSON.parse(retort('list', 'losses', '--json').out) as unknown[]).length).toBeGreaterThanOrEqual(45);
  expect(retort('list', 'lossses').err).toMatch(/neither a kind nor a name; did you mean "losses"/);
  expect(retort('list', 'loss', '--search', 'contrastive').out).toMatch(/CompRessLoss[^]*CRDLoss[^]*InfoNCELoss/);
  expect(retort('list', 'losses', '--search', 'contrastivv').err).toMatch(
    /nothing in losses matches "contrastivv"; did you mean "contrastive"/,
  );
});

it('trains stages one after the other, and takes weights over', () => {
  const { architecture } = config.model;
  const fc = { type: 'ModuleOutputs', source: 'head.fc' };
  const stages = [
    { name: 'assistant', model: config.model },
    {
      name: 'student',
      model: {
        _delete_: true,
        type: 'SingleTeacherDistill',
        architecture,
        teacher: { type: 'FromStage', stage: 'assistant' },
        distiller: {
          type: 'ConfigurableDistiller',
          studentRecorders: { fc },
          teacherRecorders: { fc },
          distillLosses: { loss_kl: { type: 'KLDivergence' } },
          lossForwardMappings: {
            loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
          },
        },
      },
      init: [{ stage: 'assistant', module: 'architecture.backbone' }],
    },
  ];
  const { model: _model, ...rest } = config;
  const file = write('stages.json', { ...rest, epochs: 1, stages });
  const { out, err } = retort('train', file, '--work-dir', 'stages');
  expect(err).toBe('');
  expect(out).toMatch(
    /stage assistant[^]*stage student[^]*teacher fc[^]*the student is stages\/student\/student.safetensors/,
  );
  expect(retort('train', '--resume', 'stages').out).toMatch(/stage assistant[^]*stage student/);
});

it('takes losses of users from files that the config imports', () => {
  const { architecture } = config.model;
  const fc = { type: 'ModuleOutputs', source: 'head.fc' };
  const model = {
    type: 'SingleTeacherDistill',
    architecture,
    teacher: architecture,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc },
      teacherRecorders: { fc },
      distillLosses: { loss_gap: { type: 'Gap', lossWeight: 2 } },
      lossForwardMappings: {
        loss_gap: { student: { recorder: 'fc', fromStudent: true }, teacher: { recorder: 'fc', fromStudent: false } },
      },
    },
  };
  const imports = [fileURLToPath(new URL('fixtures/own-loss.mjs', import.meta.url))];
  const file = write('own.json', { ...config, model, imports, epochs: 1 });
  expect(retort('train', file, '--work-dir', 'own').err).toMatch(/imports: this is a script[^]*--allow-scripts/);
  const { out, err } = retort('train', file, '--work-dir', 'own', '--allow-scripts');
  expect(err).toBe('');
  expect(out).toMatch(/loss_gap.student/);
  const wrong = { ...model, distiller: { ...model.distiller, distillLosses: { loss_gap: { type: 'Gpa' } } } };
  const wrongFile = write('wrong-own.json', { ...config, model: wrong, imports });
  expect(retort('config', 'check', wrongFile, '--allow-scripts').err).toMatch(
    /loss_gap: unknown loss "Gpa"; did you mean "Gap"/,
  );
});

it('takes networks of users by their address: check, train, resume, test; what has changed since is not run', () => {
  const copy = join(fileURLToPath(new URL('fixtures/', import.meta.url)), `own-networks-${process.pid}.mjs`);
  const text = readFileSync(fileURLToPath(new URL('fixtures/own-networks.mjs', import.meta.url)), 'utf8');
  writeFileSync(copy, text);
  try {
    const fc = { type: 'ModuleOutputs', source: 'fc' };
    const model = {
      type: 'SingleTeacherDistill',
      architecture: { type: `${copy}#Plain`, width: 8 },
      teacher: { type: `${copy}#Checked`, width: 16, depth: 2 },
      distiller: {
        type: 'ConfigurableDistiller',
        studentRecorders: { fc },
        teacherRecorders: { fc },
        distillLosses: { loss_kl: { type: 'KLDivergence' } },
        lossForwardMappings: {
          loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
        },
      },
    };
    const own = { ...config, model, epochs: 1, allowInitialWeights: ['teacher'] };
    const file = write('own-networks.json', own);
    expect(retort('config', 'check', file).err).toMatch(
      /model.architecture: this is a script[^]*model.teacher: this[^]*--allow-scripts/,
    );
    expect(retort('config', 'check', file, '--allow-scripts', '--probe').out).toMatch(/is fine/);
    const { out, err } = retort('train', file, '--work-dir', 'own-networks', '--allow-scripts');
    expect(err).toBe('');
    expect(out).toMatch(/epoch 1\/1 {2}accuracy: student [^]* teacher /);
    const { scripts } = JSON.parse(readFileSync(join(folder, 'own-networks', 'run.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    expect(Object.keys(scripts)).toEqual([copy]);
    expect(retort('train', '--resume', 'own-networks', '--epochs', '2').out).toMatch(/epoch 2\/2 {2}accuracy/);
    const tested = JSON.parse(retort('test', 'own-networks', '--teacher', '--json').out) as object;
    expect(Object.keys(tested)).toEqual(['student', 'teacher']);
    const teacher = { ...model.teacher, widht: 16, width: 'wide' };
    const wrong = write('wrong-networks.json', { ...own, model: { ...model, architecture: `${copy}#Plian`, teacher } });
    const { err: said } = retort('config', 'check', wrong, '--allow-scripts');
    expect(said).toMatch(/model.architecture: [^]*exports no "Plian"; did you mean "Plain"/);
    expect(said).toMatch(
      /model.teacher [^]*#Checked: width: expected a number[^]*unknown option "widht"; did you mean "width"/,
    );
    writeFileSync(copy, `${text}// changed`);
    expect(retort('train', '--resume', 'own-networks').err).toMatch(/would be run as code, and it has changed/);
  } finally {
    rmSync(copy);
  }
});

it('a device that is none, or not there, is said before anything is trained', () => {
  const file = write('device.json', config);
  const wrong = retort('train', file, '--device', 'gpu', '--work-dir', 'device');
  expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('did you mean "cuda"?')]);
  expect(existsSync(join(folder, 'device'))).toBe(false);
  if (engineInfo().cudaDevices > 0) return;
  for (const args of [
    ['train', file, '--work-dir', 'device'],
    ['test', file, 'student.safetensors'],
  ]) {
    const { code, err } = retort(...args, '--device', 'cuda:1');
    expect([code, err]).toEqual([1, expect.stringMatching(/"cuda:1".*CUDA[^]*--device cpu|nvidia-smi/)]);
  }
  expect(existsSync(join(folder, 'device'))).toBe(false);
});

it('takes optimizers and schedulers of users too, with rates by part of the network', () => {
  const imports = [fileURLToPath(new URL('fixtures/own-optimizer.mjs', import.meta.url))];
  const optimizer = { type: 'SignSGD', lr: 0.01, paramwise: { customKeys: { head: { lrMult: 2 } } } };
  const own = { ...config, imports, optimizer, schedulers: [{ type: 'Halving' }], hooks: [{ type: 'LoggerHook' }] };
  const file = write('own-optimizer.json', own);
  const { out, err } = retort('train', file, '--work-dir', 'own-optimizer', '--allow-scripts');
  expect(err).toBe('');
  expect(out).toMatch(/epoch 2\/2 {2}accuracy: student/);
  const lines = readFileSync(join(folder, 'own-optimizer', 'log.jsonl'), 'utf8')
    .trim()
    .split('\n');
  const rates = lines.map((line) => (JSON.parse(line) as { lr?: number }).lr).filter((lr) => lr !== undefined);
  expect([rates[0], rates.at(-1)]).toEqual([0.01, 0.005]);
  const wrong = { ...own, optimizer: { type: 'SignSDG', lr: 1 } };
  expect(retort('config', 'check', '--allow-scripts', write('wrong-optimizer.json', wrong)).err).toMatch(
    /did you mean "SignSGD"/,
  );
});

it('the example in examples/ runs and learns', () => {
  const tsx = import.meta.resolve('tsx');
  const target = join(folder, 'student.safetensors');
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', tsx, example, target], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(stdout).toBe('true\n');
  expect(existsSync(target)).toBe(true);
});

it('inspect says what a file of weights holds, for people and as JSON', () => {
  const weights = fileURLToPath(new URL('../src/formats/fixtures/mmengine.pth', import.meta.url));
  const { code, out } = retort('inspect', weights);
  expect([code, out]).toEqual([0, expect.stringMatching(/state_dict[^]*8, 36 parameters[^]*conv\.weight/)]);
  const json = retort('inspect', '--json', weights);
  expect(JSON.parse(json.out)).toMatchObject({ entry: 'state_dict', otherEntries: ['message_hub', 'optimizer'] });
  const other = retort('inspect', '--entry', 'state', weights);
  expect([other.code, other.err]).toEqual([1, expect.stringContaining('state_dict')]);
});
