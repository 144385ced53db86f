// RegNet under timm's names: `stem`, `s1` to `s4` of blocks `b1`, `b2`, ...
import { Conv2d, Identity, init, Module, Sequential } from '../../../nn/index.ts';
import type { Layer } from '../../../nn/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { regnetStages } from '../regnet-widths.ts';
import type { RegNetArch } from '../regnet-widths.ts';
import { dropPathRates } from '../residual.ts';
import { ConvNormAct } from './conv-norm-act.ts';
import { RegNetBlock } from './regnet-block.ts';

/** Options of {@link TimmRegNet}. */
export interface TimmRegNetOptions {
  arch: RegNetArch;
  /** See {@link RegNetBlock}. */
  seRatio: number;
  inChannels: number;
  /** Of the last block; it grows evenly from 0. */
  dropPathRate: number;
}

const stemChannels = 32;

/** `(N, inChannels, H, W)` to the maps of the stem and of each stage, at a half, a quarter, ... of the size. */
export class TimmRegNet extends Module {
  stem: ConvNormAct;
  declare s1: Sequential;
  declare final_conv: Layer;
  /** Channels of each map. */
  readonly outChannels: readonly number[];
  readonly #stages: readonly Sequential[];

  constructor({ arch, seRatio, inChannels, dropPathRate }: TimmRegNetOptions) {
    super();
    const plan = regnetStages('TIMMBackbone', arch);
    const rates = dropPathRates(dropPathRate, arch.depth);
    this.outChannels = [stemChannels, ...plan.map(({ width }) => width)];
    this.stem = new ConvNormAct(inChannels, stemChannels, { kernelSize: 3, stride: 2 });
    this.#stages = plan.map(({ blocks, width, groups }, i) => {
      const items = Array.from({ length: blocks }, (_, j) => {
        const first = j === 0;
        const from = first ? this.outChannels[i]! : width;
        const options = { stride: first ? 2 : 1, groups, seRatio, dropPathRate: rates.shift()! };
        return [`b${j + 1}`, new RegNetBlock(from, width, options)] as const;
      });
      return new Sequential(Object.fromEntries(items));
    });
    this.#stages.forEach((stage, i) => Object.assign(this, { [`s${i + 1}`]: stage }));
    this.final_conv = new Identity();
  }

  /** `N(0, 2 / fanOut)` with the fan of one group; the last norm of each block starts at zero. */
  initWeights(): void {
    for (const module of this.modules()) {
      if (module instanceof Conv2d) {
        const [height, width] = module.kernelSize;
        const fanOut = Math.floor((height * width * module.outChannels) / module.groups);
        init.normal_(module.weight, { std: Math.sqrt(2 / fanOut) });
        if (module.bias !== null) init.zeros_(module.bias);
      } else if (module instanceof RegNetBlock) init.zeros_(module.conv3.bn.weight!);
    }
  }

  override forward(input: Tensor): Tensor[] {
    const maps = [this.stem.forward(input)];
    for (const stage of this.#stages) maps.push(stage.forward(maps.at(-1)!));
    return [...maps.slice(0, -1), this.final_conv.forward(maps.at(-1)!)];
  }
}
