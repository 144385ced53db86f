// What contrastive distillation remembers of every sample of the data set: one vector of the student and one of the teacher.
import { Buffer, Module } from '../../../nn/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { noGrad, ops, processGroup, tensor, tidy } from '../../../torch/index.ts';
import { direction } from './roots.ts';

/** Options of {@link ContrastMemory}. */
export interface ContrastMemoryOptions {
  dimOut: number;
  sampleN: number;
  negNum: number;
  tau: number;
  momentum: number;
}

/** Student's and teacher's features of a batch, `(N, dimOut)`. */
export interface FeatureBatch {
  student: Tensor;
  teacher: Tensor;
}

/**
 * Two memories `(sampleN, dimOut)`, at first uniform within `±sqrt(3 / dimOut)`, and `params`: `[negNum, tau, Z_s, Z_t,
 * momentum]`, where the constants Z are -1 until the first batch sets them. Names and contents of the buffers are MMRazor's.
 */
export class ContrastMemory extends Module {
  readonly params: Buffer;
  /** The student's. */
  readonly memory_v1: Buffer;
  /** The teacher's. */
  readonly memory_v2: Buffer;

  constructor({ dimOut, sampleN, negNum, tau, momentum }: ContrastMemoryOptions) {
    super();
    const bound = 1 / Math.sqrt(dimOut / 3);
    const uniform = (): Tensor =>
      ops
        .rand([sampleN, dimOut])
        .mul_(2 * bound)
        .add_(-bound);
    this.params = tidy(() => new Buffer(tensor([negNum, tau, -1, -1, momentum])));
    this.memory_v1 = tidy(() => new Buffer(uniform()));
    this.memory_v2 = tidy(() => new Buffer(uniform()));
  }

  /**
   * `log (exp(x . v / tau) / Z)` of student and teacher, each with the other's memory of `samples`, int64 `(N, K)`: `(N, K)`
   * each. The first batch sets `Z` to the mean of what it divides, times `sampleN`.
   */
  override forward(batch: FeatureBatch, samples: Tensor, tau: number): [student: Tensor, teacher: Tensor] {
    const student = similarities(batch.student, this.memory_v2, samples).div(tau);
    const teacher = similarities(batch.teacher, this.memory_v1, samples).div(tau);
    return [student.sub(this.#logZ(2, student)), teacher.sub(this.#logZ(3, teacher))];
  }

  /**
   * Moves the memory of the batch's own samples, int64 `(N)`: `unit(momentum * memory + (1 - momentum) * feature)`. Processes that
   * train together remember the samples of all.
   */
  remember({ student, teacher }: FeatureBatch, own: Tensor, momentum: number): void {
    const move = (memory: Buffer, features: Tensor): void => {
      const kept = memory.indexSelect(0, own).mul(momentum);
      const moved = direction(kept.add(features.detach().mul(1 - momentum)));
      const [everyone, vectors] = [own, moved.to(memory.dtype)].map((one) => ofAllProcesses(one));
      memory.indexCopy_(0, everyone!, vectors!);
    };
    noGrad(() => tidy(() => move(this.memory_v1, student)));
    noGrad(() => tidy(() => move(this.memory_v2, teacher)));
  }

  /** The logarithm of a constant in `params`; the first batch, of which the logarithms are given, sets it. */
  #logZ(index: number, logs: Tensor): number {
    const stored = this.params.narrow(0, index, 1);
    if (stored.item() < 0) {
      const all = ofAllProcesses(logs.detach().flatten());
      const logZ = all.logsumexp(0).item() + Math.log(this.memory_v1.shape[0]! / all.numel);
      // within what float32 holds, should the features not be unit vectors
      stored.fill_(Math.exp(Math.min(85, Math.max(-85, logZ))));
    }
    return Math.log(stored.item());
  }
}

/**
 * The inner products of each feature `(N, D)` with the remembered vectors of its samples: `(N, K)`. Where K is a large part of all
 * samples, all products at once take far less memory than the vectors gathered for each feature, `(N, K, D)`.
 */
export function similarities(
  features: Tensor,
  memory: Tensor,
  samples: Tensor,
  all = 4 * samples.shape[1]! >= memory.shape[0]!,
): Tensor {
  const vectors = memory.detach().to(features.dtype);
  if (all) return features.matmul(vectors.clone().t()).gather(1, samples); // a copy: the memory moves before backward
  const gathered = vectors.indexSelect(0, samples.flatten()).view([...samples.shape, -1]); // (N, K, D)
  return gathered.bmm(features.unsqueeze(2)).squeeze(2);
}

function ofAllProcesses(tensor: Tensor): Tensor {
  const group = processGroup();
  return group === undefined ? tensor : ops.cat(group.allGather(tensor));
}
