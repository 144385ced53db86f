// Which network a state dict is of, from the names and shapes of its tensors alone: for errors that say "this is a ResNet-18" where
// a list of two hundred names that do not fit would say nothing. Names may be those of any library that Retort knows.
import { tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { toOurNames } from './names/index.ts';

type Shapes = ReadonlyMap<string, readonly number[]>;

/** What a state dict looks like, such as `ResNet-18 for 10 classes`; undefined where it is like nothing that is known. */
export function recognizeNetwork(state: Readonly<Record<string, Tensor>>): string | undefined {
  const shapes = tidy(() => {
    const named = Object.entries(underOurNames(state));
    return new Map(named.map(([name, tensor]) => [withoutPrefix(name), tensor.shape] as const));
  });
  let found: string | undefined;
  for (const family of families) found ??= family(shapes);
  if (found === undefined) return undefined;
  const classes = classesOf(shapes);
  return classes === undefined ? found : `${found} for ${classes} classes`;
}

/** The state dict under our names, or as it is where no table knows it. */
function underOurNames(state: Readonly<Record<string, Tensor>>): Readonly<Record<string, Tensor>> {
  try {
    return toOurNames(state).state;
  } catch {
    return state;
  }
}

/** Names as they are in a backbone or a bare network: without what wrappers and classifiers put before them. */
function withoutPrefix(name: string): string {
  return name.replace(/^((module|model|architecture|student|teacher|backbone|encoder)\.)+/, '');
}

/** How many blocks each stage has, from names such as `layer3.5.conv1.weight`. */
function blocksOf(shapes: Shapes, pattern: RegExp): number[] {
  const last = new Map<number, number>();
  for (const name of shapes.keys()) {
    const found = pattern.exec(name);
    if (found === null) continue;
    const [stage, block] = [Number(found[1]), Number(found[2])];
    last.set(stage, Math.max(last.get(stage) ?? 0, block + 1));
  }
  return [...last].toSorted(([a], [b]) => a - b).map(([, blocks]) => blocks);
}

const depths: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  basic: { '2,2,2,2': 18, '3,4,6,3': 34 },
  bottleneck: { '3,4,6,3': 50, '3,4,23,3': 101, '3,8,36,3': 152 },
};

/** ResNet and those that are built like it: ResNeXt, SE-ResNet, the networks of three stages for CIFAR, WideResNet, RegNet. */
function residual(shapes: Shapes): string | undefined {
  const blocks = blocksOf(shapes, /^layer(\d+)\.(\d+)\.conv1\.weight$/);
  const first = shapes.get('layer1.0.conv1.weight');
  const second = shapes.get('layer1.0.conv2.weight');
  if (first === undefined || second === undefined) return undefined;
  const bottleneck = shapes.has('layer1.0.conv3.weight');
  const width = first[0] ?? 0;
  if (blocks.length === 3 && !bottleneck) {
    const n = blocks[0] ?? 0;
    // A wide block has its first norm before its first convolution, over the channels that come in.
    const wide = shapes.get('layer1.0.bn1.weight')?.[0] !== width;
    const factor = width / 16;
    if (wide) return `WideResNet-${6 * n + 4}-${factor}`;
    return `ResNet-${6 * n + 2}${factor === 1 ? '' : ` of width ${width}`}`;
  }
  if (blocks.length !== 4) return undefined;
  const perGroup = second[1] ?? 0;
  const groups = (second[0] ?? 0) / perGroup;
  const depth = depths[bottleneck ? 'bottleneck' : 'basic']![blocks.join()];
  const counted = `with ${blocks.join(', ')} blocks`;
  const squeezed = [...shapes.keys()].some((name) => /^layer1\.0\.se(_layer|_module)?\./.test(name)) ? 'SE-' : '';
  if (bottleneck && groups > 1) {
    return depth === undefined ? `RegNet ${counted}` : `${squeezed}ResNeXt-${depth} (${groups}x${perGroup}d)`;
  }
  const small = shapes.get('conv1.weight')?.[2] === 3 ? ' with the stem for small images' : '';
  const usual = 64;
  const narrow = (second[0] ?? usual) === usual ? '' : ` of width ${second[0]}`;
  return `${squeezed}ResNet${depth === undefined ? ` ${counted}` : `-${depth}`}${narrow}${small}`;
}

function mobileNetV2(shapes: Shapes): string | undefined {
  const [stem, block] = shapes.has('conv1.conv.weight')
    ? ['conv1.conv.weight', 'layer2.0.conv.0.conv.weight']
    : ['features.0.0.weight', 'features.2.conv.0.0.weight'];
  const channels = shapes.get(stem)?.[0];
  if (channels === undefined || !shapes.has(block)) return undefined;
  return `MobileNetV2${channels === 32 ? '' : ` (stem of ${channels} channels)`}`;
}

function shuffleNetV2(shapes: Shapes): string | undefined {
  const openMMLab = shapes.get('layers.0.0.branch2.0.conv.weight');
  const width = (openMMLab ?? shapes.get('stage2.0.branch2.0.weight'))?.[0];
  if (width === undefined) return undefined;
  const factor = { 24: '0.5', 58: '1.0', 88: '1.5', 122: '2.0' }[width];
  return `ShuffleNetV2${factor === undefined ? '' : ` x${factor}`}`;
}

function vgg(shapes: Shapes): string | undefined {
  const first = shapes.get('features.0.weight') ?? shapes.get('features.0.conv.weight');
  if (first?.join() !== '64,3,3,3') return undefined;
  const convolutions = [...shapes].filter(
    ([name, shape]) => /^features\.\d+(\.conv)?\.weight$/.test(name) && shape.length === 4,
  );
  const normed = [...shapes.keys()].some((name) => /^features\.\d+(\.bn)?\.running_mean$/.test(name));
  return `VGG-${convolutions.length + 3}${normed ? '-BN' : ''}`;
}

function mobileNetV3(shapes: Shapes): string | undefined {
  if (!shapes.has('layer0.conv.weight') || !shapes.has('layer1.depthwise_conv.conv.weight')) return undefined;
  const channels = (shapes.get('layer16.conv.weight') ?? shapes.get('layer12.conv.weight'))?.[0] ?? 0;
  const size = { 288: 'small (0.5)', 432: 'small (0.75)', 576: 'small', 960: 'large' }[channels];
  return `MobileNetV3${size === undefined ? '' : `-${size}`}`;
}

function efficientNet(shapes: Shapes): string | undefined {
  if (!shapes.has('layers.0.conv.weight') || !shapes.has('layers.1.0.depthwise_conv.conv.weight')) return undefined;
  const last = [...shapes].findLast(([name]) => /^layers\.5\.\d+\.linear_conv\.conv\.weight$/.test(name))?.[1][0] ?? 0;
  const wider = { 352: '2', 384: '3', 448: '4', 512: '5', 576: '6', 640: '7', 704: '8', 1376: 'L2' }[last];
  const size = wider ?? (shapes.has('layers.2.2.linear_conv.conv.weight') ? '1' : '0');
  const lite = !shapes.has('layers.1.0.se.conv1.conv.weight');
  return `EfficientNet-${lite ? `Lite${size}` : size === 'L2' ? size : `B${size}`}`;
}

function denseNet(shapes: Shapes): string | undefined {
  const growth = shapes.get('stages.0.block.0.conv2.weight')?.[0];
  if (growth === undefined) return undefined;
  const depth = 2 * blocksOf(shapes, /^stages\.(\d+)\.block\.(\d+)\.conv2\.weight$/).reduce((a, b) => a + b, 0) + 5;
  return `DenseNet-${depth}${growth === (depth === 161 ? 48 : 32) ? '' : ` of growth ${growth}`}`;
}

function visionTransformer(shapes: Shapes): string | undefined {
  const patch = shapes.get('patch_embed.projection.weight') ?? shapes.get('patch_embed.proj.weight');
  const attention = [...shapes.keys()].filter((name) => /^(layers|blocks)\.\d+\.attn\.qkv\.weight$/.test(name)).length;
  if (patch === undefined || attention === 0) return undefined;
  const dimensions = patch[0] ?? 0;
  const size = { 192: 'tiny', 384: 'small', 768: 'base', 1024: 'large' }[dimensions];
  const name = shapes.has('dist_token') ? 'distilled DeiT' : 'ViT';
  const shown = attention === (size === 'large' ? 24 : 12) && size !== undefined ? `-${size}` : '';
  const detail = shown === '' ? ` of ${attention} layers of ${dimensions} dimensions` : '';
  return `${name}${shown}${detail}, patches of ${patch[2]}`;
}

function convNeXt(shapes: Shapes): string | undefined {
  const width = shapes.get('downsample_layers.0.0.weight')?.[0];
  if (width === undefined || !shapes.has('stages.0.0.depthwise_conv.weight')) return undefined;
  const blocks = blocksOf(shapes, /^stages\.(\d+)\.(\d+)\.depthwise_conv\.weight$/).join();
  const known = { '96 3,3,9,3': 'tiny', '96 3,3,27,3': 'small', '128 3,3,27,3': 'base', '192 3,3,27,3': 'large' };
  return `ConvNeXt${sized((known as Record<string, string>)[`${width} ${blocks}`], blocks, width)}`;
}

function swin(shapes: Shapes): string | undefined {
  const width = shapes.get('patch_embed.projection.weight')?.[0];
  const table = shapes.get('stages.0.blocks.0.attn.w_msa.relative_position_bias_table');
  if (width === undefined || table === undefined) return undefined;
  const blocks = blocksOf(shapes, /^stages\.(\d+)\.blocks\.(\d+)\.attn\.w_msa\.qkv\.weight$/).join();
  const known = { '96 2,2,6,2': 'tiny', '96 2,2,18,2': 'small', '128 2,2,18,2': 'base', '192 2,2,18,2': 'large' };
  const name = sized((known as Record<string, string>)[`${width} ${blocks}`], blocks, width);
  return `Swin transformer${name}, windows of ${(Math.sqrt(table[0] ?? 1) + 1) / 2}`;
}

function tinyViT(shapes: Shapes): string | undefined {
  const width = shapes.get('patch_embed.seq.2.conv2d.weight')?.[0];
  const last = shapes.get('stages.3.blocks.0.attn.qkv.weight')?.[1];
  if (width === undefined || last === undefined) return undefined;
  const blocks = blocksOf(shapes, /^stages\.(\d+)\.blocks\.(\d+)\.(?:conv1\.conv2d|attn\.qkv)\.weight$/).join();
  const known = { '320 2,2,6,2': '5m', '448 2,2,6,2': '11m', '576 2,2,6,2': '21m' };
  return `TinyViT${sized((known as Record<string, string>)[`${last} ${blocks}`], blocks, width)}`;
}

/** `-tiny`, or what there is where the size has no name. */
const sized = (name: string | undefined, blocks: string, width: number): string =>
  name === undefined ? ` with ${blocks.replaceAll(',', ', ')} blocks of width ${width}` : `-${name}`;

const families = [
  residual,
  mobileNetV2,
  shuffleNetV2,
  vgg,
  mobileNetV3,
  efficientNet,
  denseNet,
  visionTransformer,
  convNeXt,
  swin,
  tinyViT,
];

/** The number of classes, from the last layer of the classifier. */
function classesOf(shapes: Shapes): number | undefined {
  const heads = [...shapes].filter(
    ([name, shape]) => shape.length === 2 && /^(fc|head|classifier|linear|heads)(\..+)?\.weight$/.test(name),
  );
  return heads.at(-1)?.[1][0];
}
