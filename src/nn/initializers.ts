// The initializers that configs can name in `initCfg`, as OpenMMLab's: `{ type: 'Kaiming', layer: 'Conv2d' }`, or the weights of a
// checkpoint. An entry gives a function that fills a module in place.
import { z } from 'zod';

import { didYouMean, RetortError } from '../errors.ts';
import { entry, pathTo, Registry, typedOf } from '../registry/index.ts';
import type { ConfigsOf, Entry, OptionsFrom, SettingsFrom, TableOf } from '../registry/index.ts';
import { Tensor, tidy } from '../torch/index.ts';
import { loadTensors } from './tensor-files.ts';
import {
  constant_,
  kaimingNormal_,
  kaimingUniform_,
  nonlinearities,
  normal_,
  truncNormal_,
  uniform_,
  xavierNormal_,
  xavierUniform_,
} from './init.ts';
import { layerNames } from './layers/index.ts';
import { Module } from './module.ts';

export interface InitializeOptions {
  /** Every layer of the module is meant, whatever its class. Default false: those that the initializer names. */
  whole?: boolean;
}

/** Fills the weights of a module. */
export type Initializer = (module: Module, options?: InitializeOptions) => void;

/** A sub-module that is initialized in another way: its name and, beside it, an initializer, or none for the one around. */
export interface InitOverride {
  /** The path of the sub-module. */
  readonly name: string;
  /** Default: the initializer around, with all its options. */
  readonly type?: string;
  readonly [option: string]: unknown;
}

const override = z.union([
  typedOf<InitOverride>('initializer', { beside: { name: z.string() } }),
  z.strictObject({ name: z.string() }),
]) as z.ZodType<InitOverride, InitOverride>;

const common = {
  /** Classes of the layers that are filled, such as `'Conv2d'` or `['Conv2d', 'Linear']`. */
  layer: z.union([z.string(), z.array(z.string()).readonly()]).exactOptional(),
  /** Sub-modules by name that are filled as a whole, whatever their class; without a `type` of their own, like the rest. */
  override: z.union([override, z.array(override).readonly()]).exactOptional(),
  /** What the biases become. Default 0. */
  bias: z.number().exactOptional(),
  /** In place of `bias`, `-log((1 - p) / p)`: with that bias a sigmoid gives the probability p. */
  biasProb: z.number().gt(0).lt(1).exactOptional(),
};
/** What every initializer that fills layers may be told. */
export interface FillOptions extends OptionsFrom<typeof common> {}

/** The entry of an initializer that fills the weights of layers, one by one. */
function filling<S extends object, Options extends object>(
  own: S,
  fill: (weight: Tensor, options: SettingsFrom<S>) => void,
  summary: string,
): Entry<Initializer, Options & FillOptions> {
  const schema = z.strictObject({ ...own, ...common });
  const build = (options: SettingsFrom<S> & FillOptions): Initializer => {
    const bias =
      options.bias ?? (options.biasProb === undefined ? 0 : -Math.log((1 - options.biasProb) / options.biasProb));
    const fillLayer = (layer: Module): void => {
      const { weight, bias: shift } = layer as { weight?: unknown; bias?: unknown };
      if (weight instanceof Tensor) fill(weight, options);
      if (shift instanceof Tensor) constant_(shift, { val: bias });
    };
    return (module, { whole = false } = {}) => {
      if (whole) module.apply(fillLayer);
      else fillNamed(module, options, fillLayer);
    };
  };
  type Schema = z.ZodType<SettingsFrom<S> & FillOptions, Options & FillOptions>;
  return entry(schema as unknown as Schema, build, { summary });
}

type Named = Pick<FillOptions, 'layer' | 'override'>;

function fillNamed(module: Module, { layer, override: others }: Named, fill: (layer: Module) => void): void {
  const names = listOf(layer).map((name) => name.replace(/^_/, '')); // OpenMMLab writes _BatchNorm
  const overrides = listOf(others);
  if (names.length === 0 && overrides.length === 0) {
    throw new RetortError('initCfg: layer is missing: nothing would be initialized', {
      help: "name the classes, such as layer: ['Conv2d', 'Linear']",
    });
  }
  const known = new Set([...layerNames(), 'BatchNorm', ...module.modules().flatMap(classNames)]);
  for (const name of names) {
    if (!known.has(name))
      throw new RetortError(`initCfg: layer: unknown layer "${name}"; ${didYouMean(name, known)}`, {
        code: 'unknown-name',
      });
  }
  module.apply((one) => {
    if (classNames(one).some((name) => names.includes(name))) fill(one);
  });
  for (const { name, ...own } of overrides) {
    const part = module.getModule(name);
    if (part === undefined) {
      const children = [...module.namedChildren()].map(([child]) => child);
      throw new RetortError(`initCfg: override: unknown module "${name}"; ${didYouMean(name, children)}`, {
        code: 'unknown-name',
      });
    }
    if (own.type === undefined) part.apply(fill);
    else initializers.build(own as { type: string }, 'initCfg: override')(part, { whole: true });
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

const ofConstant = {
  /** What the weights become. */
  val: z.number(),
};
export interface ConstantInitOptions extends OptionsFrom<typeof ofConstant> {}

const ofNormal = {
  /** Default 0. */
  mean: z.number().default(0),
  /** Standard deviation. Default 1. */
  std: z.number().nonnegative().default(1),
};
export interface NormalInitOptions extends OptionsFrom<typeof ofNormal> {}

const ofTruncNormal = {
  /** Smallest value (absolute, not in units of `std`). Default -2. */
  a: z.number().default(-2),
  /** Largest value. Default 2. */
  b: z.number().default(2),
};
export interface TruncNormalInitOptions extends NormalInitOptions, OptionsFrom<typeof ofTruncNormal> {}

const ofUniform = {
  /** Lower bound. Default 0. */
  a: z.number().default(0),
  /** Upper bound. Default 1. */
  b: z.number().default(1),
};
export interface UniformInitOptions extends OptionsFrom<typeof ofUniform> {}

const distribution = z.enum(['normal', 'uniform']).default('normal');
const ofXavier = {
  /** A factor of all weights. Default 1. */
  gain: z.number().default(1),
  /** Default `'normal'`. */
  distribution,
};
export interface XavierInitOptions extends OptionsFrom<typeof ofXavier> {}

const ofKaiming = {
  /** The slope of a leaky ReLU behind the layer. Default 0. */
  a: z.number().default(0),
  /** Whether the variance of values (`'fan_in'`) or of gradients (`'fan_out'`) is kept. Default `'fan_out'`. */
  mode: z.enum(['fan_in', 'fan_out']).default('fan_out'),
  /** What stands behind the layer. Default `'relu'`. */
  nonlinearity: z.enum(nonlinearities).default('relu'),
  /** Default `'normal'`. */
  distribution,
};
export interface KaimingInitOptions extends OptionsFrom<typeof ofKaiming> {}

const ofPretrained = {
  /** A safetensors file. */
  checkpoint: pathTo('checkpoint'),
  /** What the entries' names begin with. Default `''`: all of them. */
  prefix: z.string().default(''),
};

const table = {
  Constant: filling<typeof ofConstant, ConstantInitOptions>(
    ofConstant,
    (weight, { val }) => constant_(weight, { val }),
    'One value everywhere.',
  ),
  Normal: filling<typeof ofNormal, NormalInitOptions>(
    ofNormal,
    (weight, { mean, std }) => normal_(weight, { mean, std }),
    'Numbers of a normal distribution.',
  ),
  TruncNormal: filling<typeof ofNormal & typeof ofTruncNormal, TruncNormalInitOptions>(
    { ...ofNormal, ...ofTruncNormal },
    (weight, { mean, std, a, b }) => truncNormal_(weight, { mean, std, a, b }),
    'Numbers of a normal distribution, within bounds.',
  ),
  Uniform: filling<typeof ofUniform, UniformInitOptions>(
    ofUniform,
    (weight, { a, b }) => uniform_(weight, { a, b }),
    'Numbers drawn evenly from an interval.',
  ),
  Xavier: {
    ...filling<typeof ofXavier, XavierInitOptions>(
      ofXavier,
      (weight, { gain, distribution }) =>
        (distribution === 'uniform' ? xavierUniform_ : xavierNormal_)(weight, { gain }),
      'By the number of inputs and outputs: keeps the variance of values and gradients.',
    ),
    paper: 'Glorot, Bengio 2010, AISTATS',
  },
  Kaiming: {
    ...filling<typeof ofKaiming, KaimingInitOptions>(
      ofKaiming,
      (weight, { distribution, a, mode, nonlinearity }) =>
        (distribution === 'uniform' ? kaimingUniform_ : kaimingNormal_)(weight, { a, mode, nonlinearity }),
      'By the number of inputs or outputs, for rectifiers.',
    ),
    paper: 'He et al. 2015, arXiv 1502.01852',
  },
  Caffe2Xavier: filling<object, object>(
    {},
    (weight) => kaimingUniform_(weight, { a: 1 }),
    "Caffe2's Xavier: by the number of inputs alone.",
  ),
  Pretrained: entry(
    z.strictObject(ofPretrained),
    ({ checkpoint, prefix }): Initializer =>
      (module) =>
        loadPretrained(module, checkpoint, prefix),
    { summary: 'Weights of a checkpoint, as far as the module has them.' },
  ),
};

/** The initializers that `initCfg` can name. */
export const initializers = new Registry<Initializer, typeof table>('initializer', table);

/** What fills the weights, with its options and the layers it is for; or a function that does. */
export type InitConfig = ConfigsOf<TableOf<typeof initializers, 'initializer'>> | Initializer;
/** One initializer or several, applied in order; null leaves layers as they were made. */
export type InitOption = InitConfig | readonly InitConfig[] | null;

const one = typedOf<InitConfig>('initializer', { built: 'factory' });
/** The schema of an option that says how weights begin: {@link InitOption}. */
export const initSchema: z.ZodType<InitOption, InitOption> = z
  .union([one, z.array(one).readonly()], {
    error: 'expected { type, layer, ... } of an initializer, a list of them, or null',
  })
  .nullable();

/**
 * Fills the weights of the layers a config names; biases become `bias` (default 0), or `-log((1 - p) / p)` for `biasProb: p`.
 * Several configs apply one after the other. `{ type: 'Pretrained', checkpoint, prefix }` loads a safetensors file instead: the
 * entries under the prefix, as far as the module has them. Returns the module.
 * @throws {RetortError} for unknown types (with the nearest name) and options, unknown layers, a checkpoint that does not fit.
 */
export function initializeModule<M extends Module>(module: M, config: InitOption): M {
  for (const one of config === null ? [] : listOf<InitConfig>(config)) {
    (typeof one === 'function' ? one : initializers.build(one, 'initCfg'))(module);
  }
  return module;
}

function loadPretrained(module: Module, checkpoint: string, prefix: string): void {
  tidy(() => {
    const { tensors } = loadTensors(checkpoint);
    const entries = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
    const wanted = Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix.length), value]));
    const { missing, unexpected } = module.loadStateDict(wanted, { strict: false });
    if (missing.length === 0 || unexpected.length < entries.length) return;
    throw new RetortError(`initCfg: Pretrained: nothing in ${checkpoint} under "${prefix}" fits`, {
      code: 'mismatch',
      help: `it has ${Object.keys(tensors).slice(0, 5).join(', ')}, ...; the module has ${missing.slice(0, 5).join(', ')}, ...`,
    });
  });
}
