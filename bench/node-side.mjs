// Our side of a measurement, as torch_side.py does it: node bench/node-side.mjs CASE REPEAT LEVERS THREADS BATCH.
// THREADS `auto`: as many as others leave cores, as a training run does by itself.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { kd, ofd, resnet, wideResNet } from './common.mjs';

const [what, stepsText, leversText = '', threads = '2', batchText] = process.argv.slice(2);
if (threads === 'auto') delete process.env.RETORT_THREADS;
else process.env.RETORT_THREADS = threads;
const steps = Number(stepsText);
const levers = leversText.split(',');
if (!levers.includes('tuned-blas')) process.env.RETORT_TUNE_BLAS = '0';

const { autocast, noGrad, tensor, tidy } = await import('retort-kd/torch');

const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
if (what === 'operators') print(operators());
else {
  const step = what === 'small-tensors' ? smallTensors() : await training();
  const { CoreShare } = await import('../dist/engine/core-share.js');
  const cores = CoreShare.ofMachine();
  for await (const _line of createInterface({ input: process.stdin })) {
    const done = step();
    const { minorPageFault: pageFaults, userCPUTime, systemCPUTime } = process.resourceUsage();
    print({ ...done, pageFaults, cpuSeconds: (userCPUTime + systemCPUTime) / 1e6 });
    cores?.betweenSteps();
  }
  print({ rssMiB: peakRss() });
}

/** The most memory this process ever had, as the kernel counts it. */
function peakRss() {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
}

/** `scale * sin(a * i + b)`. */
function wave(count, a, b, scale) {
  return Float32Array.from({ length: count }, (_, i) => scale * Math.sin(a * i + b));
}

async function training() {
  const { buildModel } = await import('retort-kd/models');
  const { buildAlgorithm } = await import('retort-kd/algorithms');
  const { SGD } = await import('retort-kd/optim');
  const networks = {
    resnet20: { stageBlocks: [3, 3, 3], width: 16 },
    resnet18: { stageBlocks: [2, 2, 2, 2], width: 64 },
    resnet34: { stageBlocks: [3, 4, 6, 3], width: 64 },
    student: { stageBlocks: [1, 1, 1], width: 8 },
  };
  /** Networks for images of 224x224, 1000 classes. */
  const large = {
    'resnet18-224': ['ResNet', { depth: 18, outIndices: [3] }, 512],
    'resnet34-224': ['ResNet', { depth: 34, outIndices: [3] }, 512],
    'deit-tiny': ['VisionTransformer', { arch: 'deit-tiny', imgSize: 224, patchSize: 16 }, 192],
    'deit-small': ['VisionTransformer', { arch: 'deit-small', imgSize: 224, patchSize: 16 }, 384],
    'regnety-3.2': ['RegNet', { arch: 'regnetx_3.2gf' }, 1008],
  };
  const cases = {
    evaluation: { student: 'resnet20', channels: 3, size: 32 },
    'ofd-wrn': { student: 'wrn-16-2', teacher: 'wrn-28-4', channels: 3, size: 32 },
    'kd-34-18-224': { student: 'resnet18-224', teacher: 'resnet34-224', channels: 3, size: 224, batch: 8 },
    'kd-deit-224': {
      ...{ student: 'deit-tiny', teacher: 'deit-small', channels: 3, size: 224, batch: 8 },
      fc: 'head.layers.head',
    },
    resnet20: { student: 'resnet20', channels: 3, size: 32 },
    'kd-34-18': { student: 'resnet18', teacher: 'resnet34', channels: 3, size: 32 },
    quickstart: { student: 'student', teacher: 'resnet20', channels: 1, size: 28 },
  };
  const { student, teacher, channels, size, batch: usualBatch = 64, fc: source = 'head.fc' } = cases[what];
  const batch = batchText === undefined ? usualBatch : Number(batchText);
  const teacherPlan = levers.find((lever) => lever.startsWith('plan-'))?.slice('plan-'.length) ?? 'plain';
  const memoryFormat = levers.includes('channels_last') ? 'channels_last' : 'contiguous';

  const vit = student.startsWith('deit');
  const classifier = (name) => {
    const [type, options, inChannels] = large[name];
    return {
      type: 'ImageClassifier',
      backbone: { type, ...options },
      neck: vit ? null : { type: 'GlobalAveragePooling' },
      head: { type: vit ? 'VisionTransformerClsHead' : 'LinearClsHead', numClasses: 1000, inChannels },
    };
  };
  const network = (name) => {
    if (name.startsWith('wrn')) return buildModel(wideResNet(name === 'wrn-28-4' ? 4 : 2)).to({ memoryFormat });
    return name in large ? filled(buildModel(classifier(name))) : smallNetwork(name);
  };
  const smallNetwork = (name) => {
    const { stageBlocks, width } = networks[name];
    return filled(buildModel(resnet({ stageBlocks, width, channels })));
  };
  const filled = (model) => {
    // The two sides name and order the parts of transformers differently: these keep weights of their own.
    if (vit) return model.to({ memoryFormat });
    noGrad(() =>
      tidy(() => {
        let k = 0;
        for (const parameter of model.parameters()) {
          const { shape } = parameter;
          if (shape.length > 1) {
            const fan = shape.slice(1).reduce((product, n) => product * n, 1);
            const values = wave(shape[0] * fan, 0.37 + 0.01 * (k % 7), k, Math.sqrt(4 / fan));
            parameter.copy_(tensor(values, { shape }));
          } else parameter.fill_(parameter === model.head.fc.bias ? 0 : parameterStart(model, parameter));
          k++;
        }
      }),
    );
    return model.to({ memoryFormat });
  };

  const architecture = network(student);
  const fc = { type: 'ModuleOutputs', source };
  const cache = levers.includes('cache') ? mkdtempSync(join(tmpdir(), 'retort-bench-')) : undefined;
  process.on('exit', () => cache !== undefined && rmSync(cache, { recursive: true }));
  const algorithm =
    teacher === undefined
      ? buildAlgorithm({ type: 'Supervised', architecture })
      : buildAlgorithm({
          type: what === 'ofd-wrn' ? 'OverhaulFeatureDistillation' : 'SingleTeacherDistill',
          architecture,
          teacher: network(teacher),
          teacherPlan: teacherPlan === 'rounded' ? { bfloat16: true } : teacherPlan,
          distiller: what === 'ofd-wrn' ? ofd : { ...kd, studentRecorders: { fc }, teacherRecorders: { fc } },
          ...(cache === undefined ? {} : { teacherCache: { dir: join(cache, 'cache'), views: 1 } }),
        });
  algorithm.train();
  const inputs = tensor(wave(batch * channels * size * size, 0.11, 0.5, 1), {
    shape: [batch, channels, size, size],
  }).contiguous({ memoryFormat });
  if (what === 'evaluation') {
    architecture.eval();
    return () => {
      const began = performance.now();
      const loss = noGrad(() => tidy(() => architecture.forward(inputs).sum().item()));
      return { seconds: (performance.now() - began) / 1000, loss };
    };
  }
  const classes = Array.from({ length: batch }, (_, i) => (7 * i) % 10);
  const targets = { labels: tensor(classes, { dtype: 'int64' }) };
  const samples = classes.map((_, i) => i);
  const origin = { samples, length: batch, seed: 0, view: 0, views: 1, preparation: () => [] };
  const optimizer = new SGD(architecture.parameters(), { lr: 0.02, momentum: 0.9, weightDecay: 5e-4 });
  const batchOf = { inputs, targets, meta: [], origin };
  return () => {
    const began = performance.now();
    const loss = tidy(() => {
      // Autocast as the trainer has it: around forward and losses, not around what moves the weights.
      algorithm.planTeachers(batchOf);
      const computed = () => algorithm.batchLosses(batchOf)[0];
      const total = levers.includes('bf16') ? autocast(computed) : computed();
      optimizer.zeroGrad();
      total.backward();
      optimizer.step();
      return total.item();
    });
    return { seconds: (performance.now() - began) / 1000, loss };
  };
}

/** Chains of additions, of 4 bytes to 40 kB each, whose results all live to the end. */
function smallTensors() {
  const starts = [1, 100, 1000, 10_000].map((count) => tensor(new Float32Array(count)));
  return () => {
    const began = performance.now();
    tidy(() => {
      for (const start of starts) for (let i = 0, x = start; i < 500; i++) x = x.add(start);
    });
    return { seconds: (performance.now() - began) / 1000, loss: 0 };
  };
}

/** PyTorch's start for vectors: 1 for the weight of a norm, 0 for a bias. */
function parameterStart(model, parameter) {
  for (const [name, candidate] of model.namedParameters())
    if (candidate === parameter) return name.endsWith('weight') ? 1 : 0;
  return 0;
}

function perCall(body, repeat, calls) {
  for (let i = 0; i < repeat / 10; i++) body();
  const rounds = [];
  for (let round = 0; round < 5; round++) {
    const began = process.hrtime.bigint();
    for (let i = 0; i < repeat; i++) body();
    rounds.push(Number(process.hrtime.bigint() - began) / repeat / calls);
  }
  return rounds.toSorted((a, b) => a - b)[2];
}

function operators() {
  const out = {};
  for (const requiresGrad of [false, true]) {
    const x = tensor([1.5], { requiresGrad });
    const suffix = requiresGrad ? ', gradients' : '';
    out[`add${suffix}`] = perCall(() => tidy(() => void x.add(x)), steps, 1);
    out[`relu${suffix}`] = perCall(() => tidy(() => void x.relu()), steps, 1);
    const chain = () => {
      let y = x;
      for (let i = 0; i < 10; i++) y = y.add(x);
    };
    out[`chain of 10${suffix}`] = perCall(() => tidy(chain), steps / 10, 10);
    if (!requiresGrad) out['add, outside scopes'] = perCall(() => void x.add(x), steps / 10, 1);
  }
  return out;
}
