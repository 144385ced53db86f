// The types of a config in a TypeScript file. `type` completes and narrows the options beside it; a mapping that names a recorder,
// a connector or an argument of a loss that does not exist does not compile. Only types are imported here: a config is data.
import type { algorithms } from '../distill/algorithms/index.ts';
import type { DistillerOptions, LossesByName } from '../distill/distillers/index.ts';
import type { generators } from '../models/generators/index.ts';
import type { backbones, heads, models, necks } from '../models/index.ts';
import type { Module, Network } from '../nn/index.ts';
import type { ConfigsOf, OptionsOf, TableOf } from '../registry/index.ts';
import type { StageOptions, TrainingOptions, UserConfigs } from './experiment.ts';

type Algorithms = TableOf<typeof algorithms, 'algorithm'>;

/** A generator of images: its type and options. */
export type GeneratorConfig = ConfigsOf<TableOf<typeof generators, 'generator'>>;
export type {
  DatasetConfig,
  EvaluatorConfig,
  HookConfig,
  LoaderConfig,
  MeasuredConfig,
  OptimizerConfig,
  SchedulerConfig,
  StageOptions,
  TransformConfig,
} from './experiment.ts';
export type {
  ConnectorConfig,
  DeliveryConfig,
  LossConfig,
  RecorderConfig,
  RecordMapping,
} from '../distill/distillers/index.ts';

/** A network, by its parts. */
export type ClassifierConfig = Omit<
  OptionsOf<TableOf<typeof models, 'model'>, 'ImageClassifier'>,
  'backbone' | 'neck' | 'head'
> & {
  readonly type: 'ImageClassifier';
  readonly backbone: ConfigsOf<TableOf<typeof backbones, 'backbone'>>;
  readonly neck?: ConfigsOf<TableOf<typeof necks, 'neck'>> | null;
  readonly head: ConfigsOf<TableOf<typeof heads, 'head'>>;
};
/** A network of an earlier stage, with its weights. */
export interface FromStage {
  readonly type: 'FromStage';
  readonly stage: string;
  /** `student` (default), `teacher`, or another name the stage's algorithm evaluates. */
  readonly network?: string;
}
/** The address of a class of networks: a file, relative to the config, or a module of a package, and the name of an export. */
export type NetworkAddress = `${string}#${string}`;
/** A network of your own, by its address; its options are known only when the file is read. */
export interface NetworkAtAddress {
  readonly type: NetworkAddress;
  readonly [option: string]: unknown;
}
/** A class of networks whose constructor takes one object of options, or nothing. */
export type NetworkClass = new (...args: never[]) => Module;
/** A network of your own, by its class: the options are those that its constructor takes. */
export type OwnNetwork<C> = unknown extends C
  ? never
  : [NetworkClass] extends [C]
    ? { readonly type: NetworkClass } & object
    : C extends new (...args: infer Arguments) => Module
      ? { readonly type: C } & OptionsOfArguments<Arguments>
      : never;
type OptionsOfArguments<Arguments extends readonly unknown[]> = Arguments extends readonly []
  ? unknown
  : Arguments extends readonly [(infer Options)?]
    ? NonNullable<Options>
    : never;

/** A network: a classifier, a backbone or another registered module, by type and options, or the address of one of your own. */
export type NetworkConfig =
  | ClassifierConfig
  | FromStage
  | Network
  | NetworkAddress
  | NetworkAtAddress
  // oxlint-disable-next-line typescript/no-redundant-type-constituents -- never, until a user declares a network
  | UserConfigs<'model'>;

/** What a distiller without losses has: a mapping of any name is an error. */
interface NoLosses {
  readonly [name: string]: never;
}

/** A distiller; the names that its mappings may use are those of its recorders, connectors and losses. */
export interface DistillerConfig<
  S extends string,
  T extends string,
  K extends string,
  L extends LossesByName,
> extends DistillerOptions<S, T, K, L> {
  readonly type: 'ConfigurableDistiller' | 'BYOTDistiller' | 'OFDDistiller';
}

type SingleTeacher = 'SingleTeacherDistill' | 'FpnTeacherDistill' | 'OverhaulFeatureDistillation';
/** Networks by name; C is what is known of the class of each. */
type Networks<C> = { readonly [Name in keyof C]: NetworkConfig | OwnNetwork<C[Name]> };
type Teachers<C> = {
  readonly [Name in keyof C]:
    | NetworkConfig
    | OwnNetwork<C[Name]>
    | { readonly buildCfg: NetworkConfig | OwnNetwork<C[Name]>; readonly ckptPath?: string | null };
};
type AnyNetworks = Readonly<Record<string, NetworkClass>>;
type Own<Name extends keyof Algorithms, Parts extends string> = Omit<OptionsOf<Algorithms, Name>, Parts>;

/**
 * An algorithm; D is the type of its distiller, G of a data-free algorithm's second one, A and T of the classes of networks of your
 * own, N of those of several by name.
 */
export type AlgorithmConfig<D, G, A = NetworkClass, T = NetworkClass, N = AnyNetworks> =
  | ({ readonly type: 'Supervised'; readonly architecture: NetworkConfig | OwnNetwork<A> } & Own<
      'Supervised',
      'architecture'
    >)
  | ({
      readonly type: SingleTeacher;
      readonly architecture: NetworkConfig | OwnNetwork<A>;
      readonly teacher: NetworkConfig | OwnNetwork<T>;
      readonly distiller: D;
    } & Own<'SingleTeacherDistill', 'architecture' | 'teacher' | 'distiller'>)
  | ({
      readonly type: 'SelfDistill';
      readonly architecture: NetworkConfig | OwnNetwork<A>;
      readonly distiller: D;
    } & Own<'SelfDistill', 'architecture' | 'distiller'>)
  | ({
      readonly type: 'EmaTeacherDistill';
      readonly architecture: NetworkConfig | OwnNetwork<A>;
      readonly distiller: D;
    } & Own<'EmaTeacherDistill', 'architecture' | 'distiller'>)
  | ({
      readonly type: 'MultiTeacherDistill';
      readonly architecture: NetworkConfig | OwnNetwork<A>;
      readonly teachers: Teachers<N>;
      readonly distiller: D;
    } & Own<'MultiTeacherDistill', 'architecture' | 'teachers' | 'distiller'>)
  | ({
      readonly type: 'MutualDistill';
      readonly students: Networks<N>;
      readonly distiller: D;
    } & Own<'MutualDistill', 'students' | 'distiller'>)
  | ({
      readonly type: 'DataFreeDistillation' | 'DAFLDataFreeDistillation';
      readonly architecture: NetworkConfig | OwnNetwork<A>;
      readonly teachers: Teachers<N>;
      readonly generator: GeneratorConfig | Module;
      readonly distiller: D;
      readonly generatorDistiller: G;
    } & Own<'DataFreeDistillation', 'architecture' | 'teachers' | 'generator' | 'distiller' | 'generatorDistiller'>)
  | ({
      readonly type: 'FastDataFreeDistillation';
      readonly architecture: NetworkConfig | OwnNetwork<A>;
      readonly teachers: Teachers<N>;
      readonly generator: GeneratorConfig | Module;
      readonly distiller: D;
    } & Own<'FastDataFreeDistillation', 'architecture' | 'teachers' | 'generator' | 'distiller'>);

/** Everything but the algorithm. */
export interface TrainingConfig extends TrainingOptions {
  /** Configs this one is merged over: objects key by key, everything else replaced, `_delete_: true` drops what was below. */
  readonly base?: string | readonly string[];
}

/** What {@link defineConfig} takes: one training run. */
export type ExperimentConfig<
  D = unknown,
  G = D,
  A = NetworkClass,
  T = NetworkClass,
  N = AnyNetworks,
> = TrainingConfig & {
  readonly model: AlgorithmConfig<D, G, A, T, N>;
};

/** Gives a config its type: `export default defineConfig({ ... })`. */
export function defineConfig<
  const S extends string = never,
  const T extends string = never,
  const K extends string = never,
  const L extends LossesByName = NoLosses,
  const S2 extends string = never,
  const T2 extends string = never,
  const K2 extends string = never,
  const L2 extends LossesByName = NoLosses,
  A extends NetworkClass = never,
  B extends NetworkClass = never,
  N extends object = Readonly<Record<string, never>>,
>(
  config: ExperimentConfig<DistillerConfig<S, T, K, L>, DistillerConfig<S2, T2, K2, L2>, A, B, N>,
): ExperimentConfig<DistillerConfig<S, T, K, L>, DistillerConfig<S2, T2, K2, L2>, A, B, N> {
  return config;
}

/** One stage of a config of several; what it leaves out is the common config's. */
export type StageConfig<
  D = unknown,
  G = D,
  A = NetworkClass,
  T = NetworkClass,
  N = AnyNetworks,
> = Partial<TrainingConfig> & StageOptions & { readonly model?: AlgorithmConfig<D, G, A, T, N> };

/** What stages share, and the stages. */
export type StagesConfig = Partial<TrainingConfig> & {
  readonly model?: AlgorithmConfig<unknown, unknown>;
  readonly stages: readonly StageConfig[];
};

/** A part of a config. */
export type BaseConfig = Partial<TrainingConfig> & { readonly model?: AlgorithmConfig<unknown, unknown> };

/** Gives one stage of {@link defineStages} its type; what it leaves out is the common config's. */
export function defineStage<
  const S extends string = never,
  const T extends string = never,
  const K extends string = never,
  const L extends LossesByName = NoLosses,
  A extends NetworkClass = never,
  B extends NetworkClass = never,
  N extends object = Readonly<Record<string, never>>,
>(stage: StageConfig<DistillerConfig<S, T, K, L>, never, A, B, N>): StageConfig {
  return stage;
}

/** A config of several stages, trained one after the other: `export default defineStages({ ...common, stages: [defineStage(...)] })`. */
export function defineStages(config: StagesConfig): StagesConfig {
  return config;
}

/** Refuses keys that the type does not have; inferred types would let them pass. */
type NothingBesides<T, C> = { readonly [Key in Exclude<keyof C, keyof T>]: never };

/** A part of a config for others to build on (`base: ['./common.ts']`). */
export function defineBase<const C extends BaseConfig>(config: C & NothingBesides<BaseConfig, C>): C {
  return config;
}
