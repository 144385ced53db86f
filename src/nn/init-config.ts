// Initial weights from a config, as OpenMMLab's `init_cfg`: `{ type: 'Kaiming', layer: 'Conv2d' }`, or those of a checkpoint.
import { didYouMean, RetortError } from '../errors.ts';
import { Tensor, tidy } from '../torch/index.ts';
import { loadTensors } from './checkpoint.ts';
import {
  constant_,
  kaimingNormal_,
  kaimingUniform_,
  normal_,
  truncNormal_,
  uniform_,
  xavierNormal_,
  xavierUniform_,
} from './init.ts';
import type { FanMode, Nonlinearity } from './init.ts';
import { layerNames } from './layers/index.ts';
import { Module } from './module.ts';

/** What fills the weights, what else it may be told, and which layers it is for. */
export interface InitConfig {
  /** `Constant`, `Normal`, `TruncNormal`, `Uniform`, `Xavier`, `Kaiming`, `Caffe2Xavier` or `Pretrained`. */
  readonly type: string;
  /** Classes of the layers that are filled, such as `'Conv2d'` or `['Conv2d', 'Linear']`. */
  readonly layer?: string | readonly string[];
  /** Sub-modules by name that are filled as a whole, whatever their class; without a `type` of their own, like the rest. */
  readonly override?: InitOverride | readonly InitOverride[];
  readonly [option: string]: unknown;
}

/** A sub-module that is initialised in another way. */
export interface InitOverride {
  readonly name: string;
  readonly [option: string]: unknown;
}

type Options = Readonly<Record<string, unknown>>;

interface Filler {
  /** The options and their defaults. */
  defaults: Options;
  fill(weight: Tensor, options: never): void;
}

interface Kaiming {
  a: number;
  mode: FanMode;
  nonlinearity: Nonlinearity;
  distribution: string;
}

const fillers: Readonly<Record<string, Filler>> = {
  Constant: { defaults: { val: undefined }, fill: (weight, o: { val: number }) => constant_(weight, o) },
  Normal: { defaults: { mean: 0, std: 1 }, fill: normal_ },
  TruncNormal: { defaults: { mean: 0, std: 1, a: -2, b: 2 }, fill: truncNormal_ },
  Uniform: { defaults: { a: 0, b: 1 }, fill: uniform_ },
  Xavier: {
    defaults: { gain: 1, distribution: 'normal' },
    fill: (weight, { gain, distribution }: { gain: number; distribution: string }) =>
      (distribution === 'uniform' ? xavierUniform_ : xavierNormal_)(weight, { gain }),
  },
  Kaiming: {
    defaults: { a: 0, mode: 'fan_out', nonlinearity: 'relu', distribution: 'normal' },
    fill: (weight, { distribution, ...options }: Kaiming) =>
      (distribution === 'uniform' ? kaimingUniform_ : kaimingNormal_)(weight, options),
  },
  Caffe2Xavier: { defaults: {}, fill: (weight) => kaimingUniform_(weight, { a: 1 }) },
};
const common = ['type', 'layer', 'override', 'bias', 'biasProb'];

/**
 * Fills the weights of the layers a config names; biases become `bias` (default 0), or `-log((1 - p) / p)` for `biasProb: p`.
 * Several configs apply one after the other. `{ type: 'Pretrained', checkpoint, prefix }` loads a safetensors file instead: the
 * entries under the prefix, as far as the module has them. Returns the module.
 * @throws {RetortError} for unknown types and options (with the nearest name), layers that are none, a checkpoint without fit.
 */
export function initializeModule<M extends Module>(module: M, config: InitConfig | readonly InitConfig[]): M {
  for (const one of Array.isArray(config) ? (config as readonly InitConfig[]) : [config as InitConfig]) {
    if (one.type === 'Pretrained') loadPretrained(module, one);
    else fillAll(module, one);
  }
  return module;
}

function fillAll(module: Module, config: InitConfig): void {
  const layers = listOf(config.layer).map((name) => name.replace(/^_/, '')); // OpenMMLab writes _BatchNorm
  const overrides = listOf(config.override);
  if (layers.length === 0 && overrides.length === 0) {
    throw new RetortError('initCfg: layer is missing: nothing would be initialised', {
      help: "name the classes, such as layer: ['Conv2d', 'Linear']",
    });
  }
  const known = new Set([...layerNames(), 'BatchNorm', 'InstanceNorm2d', ...module.modules().flatMap(classNames)]);
  for (const name of layers) {
    if (!known.has(name)) throw new RetortError(`initCfg: layer: "${name}" is no layer; ${didYouMean(name, known)}`);
  }
  const fill = fillerOf(config);
  module.apply((one) => {
    if (classNames(one).some((name) => layers.includes(name))) fill(one);
  });
  for (const { name, ...own } of overrides) {
    const part = module.getModule(name);
    if (part === undefined) {
      const names = [...module.namedChildren()].map(([child]) => child);
      throw new RetortError(`initCfg: override: there is no module "${name}"; ${didYouMean(name, names)}`);
    }
    part.apply(fillerOf('type' in own ? (own as unknown as InitConfig) : config));
  }
}

const listOf = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? (value as readonly T[]) : [value as T];

/** The class of a module and those it extends. */
function classNames(module: Module): string[] {
  const names: string[] = [];
  let prototype = Object.getPrototypeOf(module) as object;
  while (prototype !== Module.prototype) {
    names.push(prototype.constructor.name);
    prototype = Object.getPrototypeOf(prototype) as object;
  }
  return names;
}

/** What fills the weight and the bias of one layer. */
function fillerOf(config: InitConfig): (layer: Module) => void {
  const { type } = config;
  const filler = Object.hasOwn(fillers, type) ? fillers[type] : undefined;
  if (filler === undefined) {
    const types = [...Object.keys(fillers), 'Pretrained'];
    throw new RetortError(`initCfg: "${String(type)}" is no initialiser; ${didYouMean(String(type), types)}`);
  }
  const known = [...Object.keys(filler.defaults), ...common];
  const unknown = Object.keys(config).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new RetortError(`initCfg: ${type}: "${unknown}" is no option; ${didYouMean(unknown, known)}`);
  }
  const options = Object.fromEntries(
    Object.entries(filler.defaults).map(([name, usual]) => [name, config[name] ?? usual]),
  );
  const missing = Object.keys(options).find((name) => options[name] === undefined);
  if (missing !== undefined) throw new RetortError(`initCfg: ${type}: ${missing} is missing`);
  const { biasProb, bias = biasProb === undefined ? 0 : -Math.log((1 - Number(biasProb)) / Number(biasProb)) } = config;
  return (layer) => {
    const { weight, bias: shift } = layer as { weight?: unknown; bias?: unknown };
    if (weight instanceof Tensor) filler.fill(weight, options as never);
    if (shift instanceof Tensor) constant_(shift, { val: Number(bias) });
  };
}

function loadPretrained(module: Module, config: InitConfig): void {
  const { checkpoint, prefix = '' } = config;
  if (typeof checkpoint !== 'string' || typeof prefix !== 'string') {
    throw new RetortError('initCfg: Pretrained: checkpoint (and prefix) must be texts', {
      help: "{ type: 'Pretrained', checkpoint: 'pretrained.safetensors', prefix: 'connectors.neck.' }",
    });
  }
  tidy(() => {
    const { tensors } = loadTensors(checkpoint);
    const entries = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
    const wanted = Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix.length), value]));
    const { missing, unexpected } = module.loadStateDict(wanted, { strict: false });
    if (missing.length === 0 || unexpected.length < entries.length) return;
    throw new RetortError(`initCfg: Pretrained: nothing in ${checkpoint} under "${prefix}" fits`, {
      help: `it has ${Object.keys(tensors).slice(0, 5).join(', ')}, ...; the module has ${missing.slice(0, 5).join(', ')}, ...`,
    });
  });
}
