// What surrounds networks on another device: optimizers and their states, clipping, averages, evaluators, files, loaders. And a trainer
// that is asked for a device that there is not.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { tinyNetwork } from '../../test/networks.ts';
import { onOtherDevice } from '../../test/other-device.ts';
import { refusal } from '../../test/refusal.ts';
import { DataLoader, Normalize, RandomHorizontalFlip, SyntheticImages } from '../data/index.ts';
import { buildAlgorithm } from '../distill/algorithms/index.ts';
import { buildModel, measureLatency, profileModel } from '../models/index.ts';
import { Linear, loadModule, saveModule } from '../nn/index.ts';
import { buildOptimizer, clipGradNorm, optimizers, SGD } from '../optim/index.ts';
import { engineInfo, keep, ones, randn, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { Accuracy, AgreementMetric, ClassificationReport, EMAHook, Trainer } from './index.ts';
import type { Run, TrainerOptions } from './index.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-device-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('on another device', () => {
  it.each(optimizers.names())('%s steps, and takes over a state that was read to the CPU', (type) => {
    const count = tidy(() =>
      onOtherDevice(({ move }) => {
        const layer = new Linear(3, 2);
        const options = type === 'SGD' ? { lr: 0.1, momentum: 0.9 } : { lr: 0.1, amsgrad: true };
        const make = () => buildOptimizer({ type, ...options }, layer.parameters());
        const optimizer = make();
        move(layer); // after the optimizer was made: it moves the same parameters
        const step = (one: ReturnType<typeof make>): void => {
          one.zeroGrad();
          layer
            .forward(move(randn([4, 3])))
            .square()
            .mean()
            .backward();
          clipGradNorm(one.parameters(), 0.1);
          one.step();
        };
        step(optimizer);
        step(optimizer);
        const { state, param_groups: groups } = optimizer.stateDict();
        const read = Object.entries(state).map(([index, entries]) => [
          index,
          Object.fromEntries(
            Object.entries(entries).map(([name, value]) => [name, (value as Tensor).to({ device: 'cpu' })]),
          ),
        ]);
        const other = make();
        other.loadStateDict({ state: Object.fromEntries(read) as typeof state, param_groups: groups });
        step(other);
        const before = layer.parameters().map((parameter) => parameter.detach().clone());
        optimizer[Symbol.dispose]();
        other[Symbol.dispose]();
        return before;
      }),
    );
    expect(count).toBeGreaterThan(0);
  });

  it('weights are saved from there, and read from a file to where they are', () => {
    const path = join(folder, 'layer.safetensors');
    const count = tidy(() =>
      onOtherDevice(({ move }) => {
        const [from, to] = [move(new Linear(3, 2)), move(new Linear(3, 2))];
        saveModule(path, from);
        loadModule(path, to);
        expect(to.weight.toArray()).toEqual(from.weight.toArray());
        expect(to.weight.device).toBe('meta');
        return to.parameters();
      }),
    );
    expect(count).toBeGreaterThan(0);
  });

  it('evaluators, costs and agreement', () => {
    const count = tidy(() =>
      onOtherDevice(({ move }) => {
        const net = move(buildModel(tinyNetwork(4))).eval();
        const outputs = net.forward(move(randn([4, 1, 8, 8])));
        const targets = move({ labels: ones([4], { dtype: 'int64' }) });
        for (const evaluator of [new Accuracy({ topk: [1, 2] }), new ClassificationReport(['a', 'b', 'c', 'd'])]) {
          const metric = evaluator.begin();
          metric.update(outputs, targets);
          metric.compute();
        }
        const agreement = new AgreementMetric();
        agreement.update(outputs, outputs.mul(2));
        expect(agreement.compute()['agreement']).toBe(100);
        expect(profileModel(net, [1, 8, 8]).macs).toBeGreaterThan(0);
        expect(measureLatency(net, [1, 8, 8], { runs: 1 })).toBeGreaterThan(0);
        return outputs;
      }),
    );
    expect(count).toBeGreaterThan(0);
  });

  it('a running average that was read to the CPU goes to the student', () => {
    const count = tidy(() =>
      onOtherDevice(({ move }) => {
        const algorithm = move(buildAlgorithm({ type: 'Supervised', architecture: tinyNetwork(4) }));
        const run = { algorithm } as unknown as Run;
        const hook = new EMAHook({ momentum: 0.5 });
        const state = algorithm.student.stateDict();
        const read = Object.fromEntries(Object.entries(state).map(([name, one]) => [name, one.to({ device: 'cpu' })]));
        hook.loadStateDict({ values: {}, tensors: read });
        hook.beforeRun(run);
        hook.afterStep(run);
        const average = Object.values(hook.stateDict().tensors!).map((one) => one.clone());
        hook.afterRun();
        return average;
      }),
    );
    expect(count).toBeGreaterThan(0);
  });

  it('batches are the same as on the CPU, with targets and views', () => {
    using images = new SyntheticImages({ samples: 8 });
    const options = {
      batchSize: 4,
      transforms: [new RandomHorizontalFlip(), new Normalize({ mean: [0.5], std: [0.5] })],
      views: { teacher: [] },
      memoryFormat: 'channels_last' as const,
    };
    tidy(() => {
      const expected = new DataLoader(images, options).load(2, 1);
      onOtherDevice(() => {
        const loader = new DataLoader(images, { ...options, device: 'meta' });
        expect(loader.device).toBe('meta');
        const { inputs, targets, views } = loader.load(2, 1);
        expect(inputs.toArray()).toEqual(expected.inputs.toArray());
        expect(targets.labels!.toArray()).toEqual(expected.targets.labels!.toArray());
        expect(loader.to({ device: 'cpu' }).load(2, 1).inputs.device).toBe('cpu');
        return [inputs, targets, views];
      });
    });
  });
});

describe('a device', () => {
  const trainer = (device: string): Trainer => {
    const images = new SyntheticImages({ samples: 8 });
    const algorithm = buildAlgorithm({ type: 'Supervised', architecture: tinyNetwork(4) });
    const trainLoader = new DataLoader(images, { batchSize: 4 });
    const optimizer = new SGD(algorithm.parameters(), { lr: 0.1 });
    try {
      return new Trainer({ algorithm, trainLoader, optimizer, epochs: 1, device } as TrainerOptions);
    } finally {
      for (const one of [...algorithm.parameters(), ...algorithm.buffers()]) one.dispose();
      images[Symbol.dispose]();
    }
  };

  it('that is none is refused, with the nearest', () => {
    expect(() => trainer('gpu')).toThrow(
      refusal('invalid-argument', 'Trainer', 'device', 'gpu', 'did you mean "cuda"'),
    );
    expect(() => trainer('meta')).toThrow(refusal('invalid-argument', 'Trainer', 'device', 'meta'));
    tidy(() => keep(ones([1])).dispose());
    const images = new SyntheticImages({ samples: 8 });
    expect(() => new DataLoader(images, { batchSize: 4, device: 'gpu' as never })).toThrow(
      refusal('invalid-argument', 'DataLoader: device', 'gpu'),
    );
    images[Symbol.dispose]();
  });

  it.runIf(engineInfo().cudaDevices === 0)('that is not there is refused before anything is trained', () => {
    expect(() => trainer('cuda')).toThrow(refusal('unsupported', 'Trainer: device', 'cuda'));
  });

  it('may be the CPU', () => {
    expect(trainer('cpu').finished).toBe(false);
  });
});
