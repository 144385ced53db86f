// How a network begins: its own way, or as `initCfg` says, with the exceptions that OpenMMLab makes.
import { RetortError } from '../errors.ts';
import { initializeModule, initializers } from '../nn/index.ts';
import type { InitConfig, InitOption, Module } from '../nn/index.ts';
import { loadPretrained } from './weights.ts';

/** What convolutional networks begin with: He et al. 2015, arXiv 1502.01852, on the fan out; norms as the identity. */
export const convolutional: readonly InitConfig[] = [
  { type: 'Kaiming', layer: ['Conv2d'] },
  { type: 'Constant', val: 1, layer: ['BatchNorm', 'GroupNorm'] },
];

export interface InitialWeights {
  /** The network's option. Default: `usual`. */
  initCfg?: InitOption | undefined;
  /** What the network does where it has none. */
  usual: InitOption;
  /** What is done after either, except where weights are loaded. */
  after?: () => void;
}

/** Draws (or loads) the weights of a module. @throws {RetortError} see `initializeModule`. */
export function initialize(module: Module, { initCfg, usual, after }: InitialWeights): void {
  const config = initCfg === undefined ? usual : initCfg;
  for (const one of listOf(config)) {
    if (isFile(one)) load(module, one);
    else initializeModule(module, one);
  }
  if (!isPretrained(config)) after?.();
}

/** Whether weights are loaded. */
export function isPretrained(config: InitOption | undefined): boolean {
  return listOf(config).some(isFile);
}

type FromFile = Extract<InitConfig, { type: 'Pretrained' }>;

function isFile(config: InitConfig): config is FromFile {
  return typeof config === 'object' && config.type === 'Pretrained';
}

function listOf(config: InitOption | undefined): readonly InitConfig[] {
  if (config === null || config === undefined) return [];
  return Array.isArray(config) ? (config as readonly InitConfig[]) : [config as InitConfig];
}

/** Loads weights, whoever wrote the file; what was loaded is in `weightsReports`. */
function load(module: Module, config: FromFile): void {
  const { checkpoint, prefix } = config;
  if (typeof checkpoint === 'string' && /^[a-z][a-z0-9+.-]+:\/\//i.test(checkpoint)) {
    throw new RetortError(`initCfg: Pretrained: checkpoint: expected a local file, got "${checkpoint}"`, {
      code: 'unsupported',
      help: 'download it, and name the file',
    });
  }
  initializers.build(config, 'initCfg'); // checks the options, and loads nothing yet
  try {
    loadPretrained(checkpoint, module, prefix);
  } catch (cause) {
    if (cause instanceof RetortError && cause.code === 'mismatch') throw cause;
    throw new RetortError(`initCfg: Pretrained: "${checkpoint}" could not be read: ${String(cause)}`, {
      code: cause instanceof RetortError ? cause.code : 'invalid-file',
      help: 'name a file of weights, such as a .safetensors file',
      cause,
    });
  }
}
