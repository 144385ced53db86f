// Data-parallel training: each process has a replica of everything that is trained and sees its own share of the samples. What
// keeps the replicas alike, bit by bit: the same weights at the start, the mean of all gradients before each update, the mean of
// the running statistics after each step, and the same decisions. A run in one process is a group of one, which does
// nothing of the kind.
import { getRandomState, gradsOf, manualSeed, noGrad, ops, setRandomState, tensor, tidy } from '../torch/index.ts';
import type { ProcessGroup, Tensor } from '../torch/index.ts';
import { span } from '../torch/internal.ts';
import type { Trainable } from './trainable.ts';

export class Replicas {
  readonly #group: ProcessGroup | undefined;

  /** @param group undefined: this process alone. */
  constructor(group?: ProcessGroup) {
    this.#group = group;
  }

  get count(): number {
    return this.#group?.worldSize ?? 1;
  }

  /** This process's number, from 0. */
  get rank(): number {
    return this.#group?.rank ?? 0;
  }

  /** Whether this is the process that writes files and shows progress. */
  get first(): boolean {
    return this.rank === 0;
  }

  /** Gives all processes the weights and buffers of the first. */
  shareState(algorithm: Trainable): void {
    const group = this.#group;
    if (group === undefined) return;
    tidy(() => byDType(Object.values(algorithm.stateDict()), (same) => group.broadcast_(same)));
  }

  /** Gives each process random numbers of its own: dropout, noise and generated images are not to be the same everywhere. */
  seedApart(): void {
    const group = this.#group;
    if (group === undefined) return;
    tidy(() => {
      const seed = ops.randint(2 ** 31, [1], { dtype: 'int64' });
      group.broadcast_([seed]);
      manualSeed(BigInt(seed.item()) + BigInt(group.rank));
    });
  }

  /** Puts the mean over all processes in place of each gradient; one that only some processes have counts as 0 in the others. */
  averageGradients(parameters: readonly Tensor[]): void {
    const group = this.#group;
    if (group === undefined) return;
    span('processes', 'gradients', () => this.#average(parameters, group));
  }

  #average(parameters: readonly Tensor[], group: ProcessGroup): void {
    noGrad(() =>
      tidy(() => {
        const own = gradsOf(parameters);
        const somewhere = tensor(own.map((gradient) => (gradient === null ? 0 : 1)));
        group.allReduce_([somewhere], 'max');
        const wanted = somewhere.data();
        const gradients = parameters.flatMap((parameter, i) => {
          if (wanted[i] === 0) return [];
          const gradient = own[i] ?? ops.zerosLike(parameter);
          if (own[i] === null) parameter.grad = gradient;
          return [gradient];
        });
        byDType(gradients, (same) => group.allReduce_(same, 'mean'));
      }),
    );
  }

  /** After a step: the mean of the running statistics that moved. */
  averageStatistics(algorithm: Trainable): void {
    const group = this.#group;
    if (group === undefined) return;
    const seeing = algorithm.modules().filter(({ training }) => training);
    const moved = seeing.flatMap((module) => module.runningStatistics());
    byDType(moved, (same) => group.allReduce_(same, 'mean'));
  }

  /** Numbers by name, the same names everywhere: their means. */
  mean(values: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
    const group = this.#group;
    if (group === undefined) return values;
    return tidy(() => {
      const all = tensor(Float64Array.from(Object.values(values)));
      group.allReduce_([all], 'mean');
      const means = all.data();
      return Object.fromEntries(Object.keys(values).map((name, i) => [name, Number(means[i])]));
    });
  }

  /** Whether it is so in some process. */
  any(value: boolean): boolean {
    const group = this.#group;
    if (group === undefined) return value;
    return tidy(() => {
      const most = tensor(value ? 1 : 0);
      group.allReduce_([most], 'max');
      return most.item() === 1;
    });
  }

  /** The random states of all processes, by rank. */
  randomStates(): Tensor[] {
    return this.gathered(getRandomState());
  }

  /** A tensor of each process, by rank. */
  gathered(own: Tensor): Tensor[] {
    return this.#group === undefined ? [own] : this.#group.allGather(own);
  }

  /**
   * Puts this process's random state back. Where there were more or fewer processes, each gets another one, which follows from that
   * of the first.
   */
  setRandomStates(states: readonly Tensor[]): void {
    const same = states.length === this.count;
    setRandomState(states[same ? this.rank : 0]!);
    if (!same) this.seedApart();
  }
}

function byDType(tensors: readonly Tensor[], body: (same: readonly Tensor[]) => void): void {
  for (const dtype of new Set(tensors.map((one) => one.dtype))) body(tensors.filter((one) => one.dtype === dtype));
}
