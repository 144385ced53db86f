// Softmax regression representation: the student's features, read by the teacher's classifier.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireRank, requireSameShape, shown } from './common/shapes.ts';
import { both, sides, teacherSchema, widened } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Weight of the difference of features. Default 1. */
  alpha: z.number().default(1),
  /** Weight of the difference of what the teacher's classifier says. Default 1. */
  beta: z.number().default(1),
  /** What is compared there: logits, by their squared difference, or probabilities, by KL. Default `'logits'`. */
  match: z.enum(['logits', 'probabilities']).default('logits'),
};
/** Options of {@link SRDLoss}. */
export interface SRDLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}

/** What {@link SRDLoss} compares. */
export interface SRDLossArguments extends FeaturePair {
  /** The weight of the teacher's classifier, `(K, D)`: a recorder of type `Parameter` gives it. */
  classifierWeight: Tensor;
  /** Its bias, `(K)`. Default none. It matters for `match: 'probabilities'` only. */
  classifierBias?: Tensor;
}

/**
 * `lossWeight * (alpha mean (s - t)^2 + beta mean (W s - W t)^2)`: `s` and `t` are the last features, `(N, D)` (of maps `(N,
 * D, H, W)` the mean over positions), `W` the teacher's classifier, a constant. With `match: 'probabilities'` the second term is
 * `KL(softmax(W t + b) || softmax(W s + b))`, the paper's first formula, which the squared difference then outdid.
 *
 * Yang, Martinez, Bulat, Tzimiropoulos: Knowledge Distillation via Softmax Regression Representation Learning, ICLR 2021.
 *
 * @example
 * ```ts
 * const loss = new SRDLoss();
 * const value = loss.forward({ sFeature: randn([2, 64]), tFeature: randn([2, 64]), classifierWeight: randn([10, 64]) }); // a scalar
 * ```
 */
export class SRDLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: "Features, and what the teacher's classifier says of them.",
    paper: 'Yang, Martinez, Bulat, Tzimiropoulos, ICLR 2021 (SRD)',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = {
    required: ['sFeature', 'tFeature', 'classifierWeight'],
    optional: ['classifierBias'],
  };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: SRDLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the features differ in shape, or the classifier does not take them. */
  override forward({ sFeature, tFeature, classifierWeight, classifierBias }: SRDLossArguments): Tensor {
    requireRank('SRDLoss', ['sFeature', sFeature], [2, 4], '(N, D) or (N, D, H, W)');
    const [s, t] = both(sides(sFeature, tFeature, this.options.teacherDetach), overPlaces); // (N, D)
    requireSameShape('SRDLoss', ['sFeature', s], ['tFeature', t]);
    const classifier = classifierOf(s, classifierWeight, classifierBias);
    const features = functional.mseLoss(s, t).mul(this.options.alpha);
    return this.weigh(features.add(this.#compared(classifier(s), classifier(t)).mul(this.options.beta)));
  }

  #compared(student: Tensor, teacher: Tensor): Tensor {
    if (this.options.match === 'logits') return functional.mseLoss(student, teacher);
    return functional.klTerms(teacher.logSoftmax(1), student.logSoftmax(1)).sum(1).mean();
  }
}

function overPlaces(feature: Tensor): Tensor {
  return feature.ndim === 4 ? feature.mean([2, 3]) : feature;
}

/** The teacher's classifier as a function; it is never trained here. */
function classifierOf(feature: Tensor, weight: Tensor, bias: Tensor | undefined): (x: Tensor) => Tensor {
  const [d] = feature.shape.slice(1);
  const [w, b] = [weight, bias].map((one) => (one === undefined ? null : widened(one.detach()).to(feature.dtype)));
  const fits = weight.ndim === 2 && weight.shape[1] === d && (bias === undefined || bias.numel === weight.shape[0]);
  if (!fits) {
    const given = `${shown(weight.shape)}${bias === undefined ? '' : ` and bias ${shown(bias.shape)}`}`;
    throw new RetortError(`SRDLoss: classifierWeight: expected a weight (K, ${d}), and a bias (K), got ${given}`, {
      help: "record the weight of the teacher's last linear layer with { type: 'Parameter', source: 'head.fc.weight' }",
    });
  }
  return (x) => ops.linear(x, w!, b);
}
