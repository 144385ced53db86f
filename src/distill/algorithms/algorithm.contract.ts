// What holds for every algorithm; each one's test runs it.
import { expect, it } from 'vitest';

import { onOtherDevice } from '../../../test/other-device.ts';
import { targetsOf } from '../../nn/index.ts';
import type { UpdateRequest } from '../../nn/index.ts';
import { SGD } from '../../optim/index.ts';
import { backward, manualSeed, memory, randn, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { algorithms } from './index.ts';
import type { Algorithm } from './index.ts';

export interface AlgorithmContract {
  /** A fresh algorithm for images `(N, 1, 8, 8)` of four classes. */
  make: () => Algorithm;
  /** The keys of `loss()`. */
  keys: readonly string[];
  /** The keys that a step reports. Default: those of `loss()`, and `loss`. */
  reported?: readonly string[];
  /** Paths whose parameters and buffers must stay as they are. */
  frozen?: readonly string[];
  /** Parameters whose gradient is 0 by construction, such as a bias in front of a batch norm. Default none. */
  still?: RegExp;
  /** Paths that are outside the optimizer and move all the same. Default none. */
  moves?: readonly string[];
}

const labels = [0, 1, 2, 3, 0, 1];
const batch = () => ({ inputs: randn([6, 1, 8, 8]), targets: targetsOf(labels.map((gtLabel) => ({ gtLabel }))) });

function snapshot(algorithm: Algorithm): Map<string, string> {
  return tidy(
    () => new Map(Object.entries(algorithm.stateDict()).map(([name, value]) => [name, value.toArray().toString()])),
  );
}

/** One optimizer for each part that a step asks for. */
function trainer(algorithm: Algorithm, batchOf = batch): () => Readonly<Record<string, Tensor>> {
  const optimizers = new Map<string, SGD>();
  const update = ({ total, part = '' }: UpdateRequest): void => {
    let optimizer = optimizers.get(part);
    if (optimizer === undefined) {
      const trained = algorithm
        .getModule(part)!
        .parameters()
        .filter((parameter) => parameter.requiresGrad);
      optimizer = new SGD(trained, { lr: 0.05, momentum: 0.9 });
      optimizers.set(part, optimizer);
    }
    optimizer.zeroGrad();
    backward([total], [null], part === '' ? {} : { inputs: optimizer.parameters() });
    optimizer.step();
  };
  return () =>
    tidy(() => {
      const reported = algorithm.trainStep(batchOf(), update);
      algorithm.afterStep();
      return reported;
    });
}

/** Runs the contract on an algorithm. */
export function describeAlgorithm(name: string, contract: AlgorithmContract): void {
  const { make, keys, reported = [...keys, 'loss'], frozen = [], moves = [], still } = contract;
  const isFrozen = (key: string): boolean => frozen.some((path) => key.startsWith(`${path}.`));
  const fresh = (): Algorithm => {
    manualSeed(7);
    return make();
  };

  it('contract: is registered; its losses have their names and are finite', () => {
    expect(algorithms.get(name).summary.length).toBeGreaterThan(10);
    const algorithm = fresh();
    tidy(() => {
      const { inputs, targets } = batch();
      const losses = algorithm.loss(inputs, targets);
      expect(Object.keys(losses).toSorted()).toEqual([...keys].toSorted());
      expect(Number.isFinite(algorithm.parseLosses(losses)[0].item())).toBe(true);
    });
  });

  it('contract: a step reports, moves all that is trained and nothing that is frozen', () => {
    const algorithm = fresh();
    const before = snapshot(algorithm);
    const step = trainer(algorithm);
    expect(Object.keys(tidy(step)).toSorted()).toEqual([...reported].toSorted());
    tidy(step);
    const after = snapshot(algorithm);
    const trained = new Set([...algorithm.namedParameters()].filter(([, p]) => p.requiresGrad).map(([key]) => key));
    for (const [key, value] of after) {
      const same = value === before.get(key);
      if (isFrozen(key)) expect(same, `${key} is frozen`).toBe(true);
      else if ((trained.has(key) && still?.test(key) !== true) || moves.includes(key))
        expect(same, `${key} moves`).toBe(false);
    }
    for (const module of algorithm.frozen()) {
      expect(module.modules().every((one) => !one.training)).toBe(true);
      expect(module.parameters().every((parameter) => !parameter.requiresGrad)).toBe(true);
    }
  });

  it('contract: trains on the device that it is on', () => {
    const count = tidy(() =>
      onOtherDevice(({ move }) => {
        const algorithm = move(fresh());
        const step = trainer(algorithm, () => move(batch()));
        return [step(), step(), Object.values(algorithm.stateDict())];
      }),
    );
    expect(count).toBeGreaterThan(0);
  });

  it('contract: its state comes back, and training goes on from it alike', () => {
    const [one, two] = [fresh(), make()];
    tidy(trainer(one));
    tidy(() => two.loadStateDict(one.stateDict()));
    two.repeatDecisions(JSON.parse(JSON.stringify(one.decisions() ?? null))); // as a checkpoint has them
    expect(snapshot(two)).toEqual(snapshot(one));
    const losses = [one, two].map((algorithm) => {
      manualSeed(11);
      return tidy(() => {
        const { inputs, targets } = batch();
        return algorithm.parseLosses(algorithm.loss(inputs, targets))[0].item();
      });
    });
    expect(losses[1]).toBe(losses[0]);
  });

  it('contract: evaluation mode reaches all, and train goes back', () => {
    const algorithm = fresh();
    const modes = algorithm.modules().map((module) => module.training);
    algorithm.eval();
    expect(algorithm.modules().every((module) => !module.training)).toBe(true);
    algorithm.train();
    expect(algorithm.modules().map((module) => module.training)).toEqual(modes);
  });

  it('contract: nothing leaks over 50 steps', () => {
    const algorithm = fresh();
    const step = trainer(algorithm);
    const counts = Array.from({ length: 50 }, () => {
      tidy(() => void step());
      return memory().tensors;
    });
    expect(new Set(counts.slice(2)).size).toBe(1);
  });

  it('contract: the students it ships have names of their own, and nothing of the teacher', () => {
    for (const student of Object.values(fresh().students())) {
      const names = Object.keys(tidy(() => student.stateDict()));
      expect(names.length).toBeGreaterThan(0);
      expect(names.filter((key) => /^(architecture|teachers?|distillers?|peers)\./.test(key))).toEqual([]);
    }
  });
}
