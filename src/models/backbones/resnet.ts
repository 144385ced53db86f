// Residual networks for large images (7x7 stem with pooling) and for small ones (3x3 stem), under OpenMMLab's names.
import { RetortError } from '../../errors.ts';
import { BatchNorm, BatchNorm2d, Conv2d, init, MaxPool2d, Module, ReLU } from '../../nn/index.ts';
import type { Sequential } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { residualStage, resnetDepths } from './residual.ts';
import type { Block, BlockClass, ResNetStyle } from './residual.ts';

export interface ResNetOptions {
  /** 18, 34 (basic blocks), 50, 101 or 152 (bottlenecks). */
  depth: number;
  /** Blocks in each stage, in place of the depth's own: `[3, 3, 3]` with three stages is ResNet-20. */
  stageBlocks?: readonly number[];
  /** Default 3. */
  inChannels?: number;
  /** Channels after the stem. Default 64. */
  stemChannels?: number;
  /** Width of the first stage; each further one doubles it. Default 64. */
  baseChannels?: number;
  /** Default 4. */
  numStages?: number;
  /** Of each stage. Default `[1, 2, 2, 2]`. */
  strides?: readonly number[];
  /** Which stages' outputs are returned, counted from 0. Default: the last. */
  outIndices?: readonly number[];
  /** Default `'pytorch'`. */
  style?: ResNetStyle;
  /** Start every block as the identity: the scale of its last norm is zero. Default true. */
  zeroInitResidual?: boolean;
  /** Keep batch norms in evaluation mode while training. Default false. */
  normEval?: boolean;
}

/** `(N, inChannels, H, W)` to one feature map per entry of `outIndices`. He, Zhang, Ren, Sun, arXiv 1512.03385. */
export class ResNet extends Module {
  conv1: Conv2d;
  bn1: BatchNorm2d;
  relu = new ReLU();
  declare maxpool?: MaxPool2d;
  // Stages, as many as asked for; named like this in every checkpoint.
  declare layer1: Sequential;
  declare layer2?: Sequential;
  declare layer3?: Sequential;
  declare layer4?: Sequential;
  /** Channels of each output. */
  readonly outChannels: readonly number[];
  readonly #stages: readonly Sequential[];
  readonly #outIndices: readonly number[];
  readonly #normEval: boolean;

  /** @throws {RetortError} for a depth that is none, or counts that do not fit together. */
  constructor(options: ResNetOptions) {
    super();
    const { depth, inChannels = 3, stemChannels = 64, baseChannels = 64, numStages = 4, style = 'pytorch' } = options;
    const [block, ownBlocks] = blocksOf(depth);
    const {
      stageBlocks = ownBlocks,
      strides = [1, 2, 2, 2],
      outIndices = [numStages - 1],
      zeroInitResidual = true,
    } = options;
    check(options, numStages, stageBlocks, strides, outIndices);
    this.#outIndices = outIndices;
    this.#normEval = options.normEval ?? false;
    this.conv1 = this.makeStem(inChannels, stemChannels);
    this.bn1 = new BatchNorm2d(stemChannels);
    const pool = this.makePool();
    if (pool !== undefined) this.maxpool = pool;
    const stages: Sequential[] = [];
    const widths: number[] = [];
    let from = stemChannels;
    for (let i = 0; i < numStages; i++) {
      const channels = baseChannels * 2 ** i * block.expansion;
      stages.push(
        residualStage(block, { blocks: stageBlocks[i]!, inChannels: from, channels, stride: strides[i]!, style }),
      );
      widths.push(channels);
      from = channels;
    }
    stages.forEach((stage, i) => Object.assign(this, { [`layer${i + 1}`]: stage }));
    this.#stages = stages;
    this.outChannels = outIndices.map((i) => widths[i]!);
    this.#initialize(zeroInitResidual);
    this.train();
  }

  /** 7x7, stride 2. */
  protected makeStem(inChannels: number, stemChannels: number): Conv2d {
    return new Conv2d(inChannels, stemChannels, { kernelSize: 7, stride: 2, padding: 3, bias: false });
  }

  protected makePool(): MaxPool2d | undefined {
    return new MaxPool2d(3, { stride: 2, padding: 1 });
  }

  /** Kaiming normal (fan out) for convolutions; norms start as the identity. */
  #initialize(zeroInitResidual: boolean): void {
    for (const module of this.modules()) {
      if (module instanceof Conv2d) init.kaimingNormal_(module.weight, { mode: 'fan_out', nonlinearity: 'relu' });
    }
    if (!zeroInitResidual) return;
    for (const stage of this.#stages) for (const block of stage) init.zeros_((block as Block).lastNorm.weight!);
  }

  override train(mode = true): this {
    super.train(mode);
    if (mode && this.#normEval) for (const module of this.modules()) if (module instanceof BatchNorm) module.eval();
    return this;
  }

  override forward(input: Tensor): Tensor[] {
    let x = this.relu.forward(this.bn1.forward(this.conv1.forward(input)));
    if (this.maxpool !== undefined) x = this.maxpool.forward(x);
    const outputs: Tensor[] = [];
    for (const [i, stage] of this.#stages.entries()) {
      x = stage.forward(x);
      if (this.#outIndices.includes(i)) outputs.push(x);
    }
    return outputs;
  }
}

/** For small images such as CIFAR's: a 3x3 stem of stride 1 and no pooling. */
export class ResNetCifar extends ResNet {
  protected override makeStem(inChannels: number, stemChannels: number): Conv2d {
    return new Conv2d(inChannels, stemChannels, { kernelSize: 3, padding: 1, bias: false });
  }

  protected override makePool(): undefined {
    return undefined;
  }
}

function blocksOf(depth: number): readonly [BlockClass, readonly number[]] {
  const found = Object.hasOwn(resnetDepths, depth) ? resnetDepths[depth] : undefined;
  if (found !== undefined) return found;
  throw new RetortError(`ResNet: there is no depth ${depth}`, {
    help: `there are ${Object.keys(resnetDepths).join(', ')}`,
  });
}

function check(
  { baseChannels = 64, stemChannels = 64 }: ResNetOptions,
  numStages: number,
  stageBlocks: readonly number[],
  strides: readonly number[],
  outIndices: readonly number[],
): void {
  const mistakes: string[] = [];
  const natural = (value: number): boolean => Number.isInteger(value) && value >= 1;
  if (!natural(numStages) || numStages > 4) mistakes.push(`numStages must be 1 to 4, got ${numStages}`);
  if (!natural(baseChannels)) mistakes.push(`baseChannels must be a positive whole number, got ${baseChannels}`);
  if (!natural(stemChannels)) mistakes.push(`stemChannels must be a positive whole number, got ${stemChannels}`);
  if (stageBlocks.length < numStages || !stageBlocks.every(natural)) {
    mistakes.push(
      `stageBlocks must have a positive count for each of ${numStages} stages, got [${stageBlocks.join(', ')}]`,
    );
  }
  if (strides.length < numStages || !strides.every(natural)) {
    mistakes.push(`strides must have one for each of ${numStages} stages, got [${strides.join(', ')}]`);
  }
  if (outIndices.length === 0 || outIndices.some((i) => !Number.isInteger(i) || i < 0 || i >= numStages)) {
    mistakes.push(`outIndices must be stages 0 to ${numStages - 1}, got [${outIndices.join(', ')}]`);
  }
  if (mistakes.length > 0) throw new RetortError(`ResNet: ${mistakes.join('; ')}`);
}
