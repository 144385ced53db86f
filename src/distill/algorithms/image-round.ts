// A round of FastDFKD: from a generator's weights and latent vectors a few updates lead to images; the weights are then put back, and
// what the way says of where it began is known.
import { Adam } from '../../optim/index.ts';
import { backward, clearGrads, gradsOf, noGrad, ops, tidy, withoutAutocast } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { span } from '../../torch/internal.ts';
import { parseLosses } from './parse-losses.ts';

/** What images are made by, and what they are to be taken for. */
export interface Judged {
  readonly losses: Readonly<Record<string, Tensor>>;
  readonly labels: Tensor;
}

/** Options of {@link imageRound}. */
export interface RoundOptions {
  /** The generator's, which are the same afterwards. */
  parameters: readonly Tensor[];
  /** `(N, latentDim)`. */
  latent: Tensor;
  make: (latent: Tensor) => Tensor;
  /** @param labels those of the round, once there are some */
  judge: (images: Tensor, labels: Tensor | undefined, update: number) => Judged;
  /** How many updates. */
  gSteps: number;
  lrG: number;
  lrZ: number;
  isMaml: boolean;
}

/** What a round gives. */
export interface Round {
  /** Those of the update with the lowest loss. */
  readonly images: Tensor;
  readonly labels: Tensor;
  /** The losses of the last update, and their sum. */
  readonly entries: Readonly<Record<string, Tensor>>;
  /** Where the parameters are to be moved from, as gradients; parallel to them. */
  readonly gradients: readonly Tensor[];
}

/** What the updates so far have found. */
interface Found extends Omit<Round, 'gradients'> {
  /** The lowest loss. */
  readonly cost: Tensor;
}

/** What the authors' Reptile multiplies the way of a round with. */
const reptileScale = 67;

/** See the head of this file. Gradients that the parameters had are theirs again. */
export function imageRound({ parameters, latent: given, make, judge, gSteps, lrG, lrZ, isMaml }: RoundOptions): Round {
  const latent = given.detach().requiresGrad_();
  const moved = [...parameters, latent];
  using adam = new Adam([{ params: parameters }, { params: [latent], lr: lrZ }], { lr: lrG, betas: [0.5, 0.999] });
  const start = noGrad(() => parameters.map((parameter) => parameter.clone()));
  const gathered = gradsOf(parameters); // of batches before, where a step has several
  const gradients = noGrad(() => parameters.map((parameter) => ops.zerosLike(parameter)));
  const update = (before: Found | undefined, number: number): Found => {
    adam.zeroGrad();
    const images = make(latent);
    const { losses, labels } = judge(images, before?.labels, number);
    const [total, all] = parseLosses(losses);
    span('backward', undefined, () => withoutAutocast(() => backward([total], [null], { inputs: moved })));
    if (isMaml) {
      const now = gradsOf(parameters);
      noGrad(() => now.forEach((gradient, i) => gradient !== null && gradients[i]!.add_(gradient)));
    }
    span('optimizer', undefined, () => withoutAutocast(() => adam.step()));
    const entries = Object.fromEntries(Object.entries(all).map(([name, value]) => [name, value.detach()]));
    return { ...lower(before, { images: images.detach(), cost: total.detach() }), labels, entries };
  };
  let found: Found | undefined;
  try {
    for (let number = 1; number <= gSteps; number++) {
      const before = found;
      found = tidy(() => update(before, number));
    }
    if (!isMaml) {
      noGrad(() =>
        gradients.forEach((gradient, i) => void gradient.add_(start[i]!).sub_(parameters[i]!).mul_(reptileScale)),
      );
    }
  } finally {
    noGrad(() => parameters.forEach((parameter, i) => void parameter.copy_(start[i]!)));
    clearGrads(moved);
    for (const [i, gradient] of gathered.entries()) if (gradient !== null) parameters[i]!.grad = gradient;
  }
  const { images, labels, entries } = found!;
  return { images, labels, entries, gradients };
}

/** The images with the lower loss. */
function lower(before: Found | undefined, now: Pick<Found, 'images' | 'cost'>): Pick<Found, 'images' | 'cost'> {
  if (before === undefined) return now;
  const better = now.cost.lt(before.cost);
  return { images: ops.where(better, now.images, before.images), cost: ops.where(better, now.cost, before.cost) };
}
