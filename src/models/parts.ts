// What a classifier is made of, and what its parts hand to one another.
import type { GivenTargets, Module, Outputs } from '../nn/index.ts';
import type { Tensor } from '../torch/index.ts';

/** One map or vector of a network, or several that belong together, such as `[patches, clsToken]` of a transformer. */
export type Feature = Tensor | readonly Tensor[];

/** A part that can draw its initial weights again. */
interface Initialized {
  initWeights?(): void;
}

/** Images to feature maps, one for each stage asked for. */
export type Backbone = Module &
  Initialized & {
    forward(input: Tensor): Feature[];
    /** A state dict changed to fit, where the network knows how. */
    adaptState?(state: Readonly<Record<string, Tensor>>, prefix?: string): Record<string, Tensor>;
  };

/** Feature maps to features. */
export type Neck = Module & Initialized & { forward(input: readonly Feature[]): Feature[] };

/** Features to outputs (scores, or a list of several levels), and to losses. */
export type Head<O extends Outputs = Tensor> = Module &
  Initialized & {
    forward(features: readonly Feature[]): O;
    loss(features: readonly Feature[], targets: GivenTargets): Record<string, Tensor>;
    /** What the last linear layer gets. */
    preLogits?(features: readonly Feature[]): Tensor | readonly Tensor[];
    /** How many classes there are, where the head knows. */
    readonly numClasses?: number;
  };
