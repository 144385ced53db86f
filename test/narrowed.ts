// Configs of recipes, as small as tests want them: the same depths, recorders, connectors and losses, a sixteenth of the channels.

/** Classes of every narrowed network. */
export const narrowClasses = 10;

/** Options of connectors. */
const channelKeys = ['inChannels', 'outChannels', 'dimIn'];
const narrow = (channels: number): number => Math.max(1, channels / 16);

type Config = Readonly<Record<string, unknown>>;

/** By type, what the narrowed thing has in place of its own options. */
const replacements: Readonly<Record<string, (own: Config) => Config>> = {
  ResNet: () => ({ baseChannels: 4, stemChannels: 4 }),
  ResNet_CIFAR: () => ({ baseChannels: 4, stemChannels: 4 }),
  WideResNet: () => ({ baseChannels: 1, stemChannels: 2 }),
  MobileNetV2: () => ({ widenFactor: 0.125 }),
  ShuffleNetV2: () => ({ widenFactor: 0.5 }),
  VisionTransformer: () => smallTransformer,
  DistilledVisionTransformer: () => smallTransformer,
  TIMMBackbone: () => ({ modelName: 'regnety_002' }),
  DAFLGenerator: () => ({ latentDim: 8, hiddenChannels: 8 }),
  FastDFKDGenerator: () => ({ latentDim: 8, hiddenChannels: 8 }),
  ZSKTGenerator: () => ({ latentDim: 8, hiddenChannels: 8 }),
  BYOTConnector: () => ({ numClasses: narrowClasses }),
  CRDLoss: () => ({ negNum: 8, sampleN: 200 }),
  FastDataFreeDistillation: () => ({ gSteps: 2, kdSteps: 3, warmup: 0, poolSize: 64 }),
};
const smallTransformer: Config = {
  arch: { embedDims: 16, numLayers: 2, numHeads: 2, feedforwardChannels: 32 },
  imgSize: 32,
};
/** What comes out of narrowed backbones that do not narrow evenly. */
const outChannels: Readonly<Record<string, number>> = {
  MobileNetV2: 1280,
  ShuffleNetV2: 1024,
  VisionTransformer: 16,
  DistilledVisionTransformer: 16,
  TIMMBackbone: 368,
};

/** A `model` for images `(3, 32, 32)`, without the checkpoints of teachers. */
export function narrowed(model: unknown): unknown {
  if (Array.isArray(model)) return model.map(narrowed);
  if (!isConfig(model)) return model;
  const kept = Object.entries(model).filter(([key]) => key !== 'teacherCkpt' && key !== 'ckptPath');
  const own: Record<string, unknown> = Object.fromEntries(kept.map(([key, value]) => [key, narrowed(value)]));
  if (own['type'] === 'ImageClassifier') own['head'] = headOf(own);
  const isHead = String(own['type']).endsWith('Head'); // which headOf has narrowed
  for (const key of isHead ? [] : channelKeys) if (typeof own[key] === 'number') own[key] = narrow(own[key]);
  return { ...own, ...replacements[String(own['type'])]?.(own) };
}

/** What is made smaller of models whose networks are small as they are. */
const shrunk = /^(CRDLoss|FastDataFreeDistillation|\w+Generator)$/;

/** A `model` with networks as wide as they are, without the checkpoints of teachers, with memories for 200 images and small generators. */
export function withoutCheckpoints(model: unknown): unknown {
  if (Array.isArray(model)) return model.map(withoutCheckpoints);
  if (!isConfig(model)) return model;
  const parts = Object.entries(model).filter(([key]) => key !== 'teacherCkpt' && key !== 'ckptPath');
  const own = Object.fromEntries(parts.map(([key, value]) => [key, withoutCheckpoints(value)]));
  const type = String(own['type']);
  return shrunk.test(type) ? { ...own, ...replacements[type]?.(own) } : own;
}

function headOf({ backbone, head }: Config): Config {
  const { inChannels, ...rest } = head as Config;
  const width = outChannels[String((backbone as Config)['type'])] ?? narrow(inChannels as number);
  return { ...rest, numClasses: narrowClasses, inChannels: width };
}

function isConfig(value: unknown): value is Config {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
