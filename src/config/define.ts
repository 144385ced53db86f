// The types of a config in a TypeScript file. `type` completes and narrows the options beside it; a mapping that names a recorder,
// a connector or an argument of a loss that does not exist does not compile. Only types are imported here: a config is data.
import type { datasets, transforms } from '../data/index.ts';
import type { algorithms } from '../distill/algorithms/index.ts';
import type { DistillerOptions, LossesByName } from '../distill/distillers/index.ts';
import type { evaluators, hooks, ParamwiseOptions } from '../engine/index.ts';
import type { generators } from '../models/generators/index.ts';
import type { backbones, heads, models, necks } from '../models/index.ts';
import type { LossModel, Module } from '../nn/index.ts';
import type { optimizers, schedulers, Timing } from '../optim/index.ts';
import type { ConfigsOf, OptionsOf, TableOf, UserEntries } from '../registry/index.ts';

/** Configs of users' entries of a kind. */
type UserConfigs<Kind extends string> = Kind extends keyof UserEntries ? ConfigsOf<UserEntries[Kind]> : never;
type Algorithms = TableOf<typeof algorithms, 'algorithm'>;

export type GeneratorConfig = ConfigsOf<TableOf<typeof generators, 'generator'>>;
// `data set` is how the kind was spelled once.
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- never, until a user declares one
export type DatasetConfig = ConfigsOf<TableOf<typeof datasets, 'dataset'>> | UserConfigs<'data set'>;
export type TransformConfig = ConfigsOf<TableOf<typeof transforms, 'transform'>>;
export type EvaluatorConfig = ConfigsOf<TableOf<typeof evaluators, 'evaluator'>>;
export type HookConfig = ConfigsOf<TableOf<typeof hooks, 'hook'>>;
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
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- never, until a user declares a network
export type NetworkConfig = ClassifierConfig | FromStage | LossModel | UserConfigs<'model'>;

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
type TeacherConfig = NetworkConfig | { readonly buildCfg: NetworkConfig; readonly ckptPath?: string | null };
type Own<Name extends keyof Algorithms, Parts extends string> = Omit<OptionsOf<Algorithms, Name>, Parts>;

/** An algorithm; D is the type of its distiller, G of a data-free algorithm's second one. */
export type AlgorithmConfig<D, G> =
  | ({ readonly type: 'Supervised'; readonly architecture: NetworkConfig } & Own<'Supervised', 'architecture'>)
  | ({
      readonly type: SingleTeacher;
      readonly architecture: NetworkConfig;
      readonly teacher: NetworkConfig;
      readonly distiller: D;
    } & Own<'SingleTeacherDistill', 'architecture' | 'teacher' | 'distiller'>)
  | ({ readonly type: 'SelfDistill'; readonly architecture: NetworkConfig; readonly distiller: D } & Own<
      'SelfDistill',
      'architecture' | 'distiller'
    >)
  | ({ readonly type: 'EmaTeacherDistill'; readonly architecture: NetworkConfig; readonly distiller: D } & Own<
      'EmaTeacherDistill',
      'architecture' | 'distiller'
    >)
  | ({
      readonly type: 'MultiTeacherDistill';
      readonly architecture: NetworkConfig;
      readonly teachers: Readonly<Record<string, TeacherConfig>>;
      readonly distiller: D;
    } & Own<'MultiTeacherDistill', 'architecture' | 'teachers' | 'distiller'>)
  | ({
      readonly type: 'MutualDistill';
      readonly students: Readonly<Record<string, NetworkConfig>>;
      readonly distiller: D;
    } & Own<'MutualDistill', 'students' | 'distiller'>)
  | ({
      readonly type: 'DataFreeDistillation' | 'DAFLDataFreeDistillation';
      readonly architecture: NetworkConfig;
      readonly teachers: Readonly<Record<string, TeacherConfig>>;
      readonly generator: GeneratorConfig | Module;
      readonly distiller: D;
      readonly generatorDistiller: G;
    } & Own<'DataFreeDistillation', 'architecture' | 'teachers' | 'generator' | 'distiller' | 'generatorDistiller'>);

type Paramwise = { readonly paramwise?: ParamwiseOptions };
export type OptimizerConfig = ConfigsOf<TableOf<typeof optimizers, 'optimizer'>> & Paramwise;

/** A cosine without a length of its own lasts as long as its part of training. */
type Lasting<Config> = Config extends { readonly type: 'CosineAnnealingLR' }
  ? Omit<Config, 'tMax'> & { readonly tMax?: number }
  : Config;
export type SchedulerConfig = Readonly<Timing> & Lasting<ConfigsOf<TableOf<typeof schedulers, 'scheduler'>>>;

export interface LoaderConfig {
  readonly dataset: DatasetConfig;
  readonly batchSize: number;
  /** Applied to each batch in order, for all networks. */
  readonly transforms?: readonly TransformConfig[];
  /** Applied after those to what the student sees. */
  readonly studentTransforms?: readonly TransformConfig[];
  /** What other networks see in place of that, by their name. */
  readonly views?: Readonly<Record<string, readonly TransformConfig[]>>;
}

/** Data to measure with: its classes are brought to those of the training data. */
export interface MeasuredConfig extends LoaderConfig {
  /**
   * `'byName'` (default): a class is the training data's of the same name; one that it does not have is an error. `'byNumber'`: labels
   * are as they are, whatever the classes are called.
   */
  readonly labels?: 'byName' | 'byNumber';
}

/** Everything but the algorithm. */
export interface TrainingConfig {
  readonly trainData: LoaderConfig;
  readonly valData: MeasuredConfig;
  /** Default: `valData`. */
  readonly testData?: MeasuredConfig;
  /** One for everything that is trained, or one for each part of the algorithm (`architecture`, `generator`). */
  readonly optimizer: OptimizerConfig | Readonly<Record<string, OptimizerConfig>>;
  /** Applied together, in order. `by` says what they count: steps or epochs (default). */
  readonly schedulers?: readonly SchedulerConfig[] | Readonly<Record<string, readonly SchedulerConfig[]>>;
  readonly epochs: number;
  /** Ends training after so many steps in all, also inside an epoch. A step is one update of the weights. */
  readonly maxSteps?: number;
  /** Seed of initial weights, order and augmentation. Default 0. */
  readonly seed?: number;
  /** Default `'channels_last'`, the fastest for convolutions on CPU. */
  readonly memoryFormat?: 'contiguous' | 'channels_last';
  /** `'bfloat16'` computes convolutions and matrix products in bfloat16. Default `'float32'`. */
  readonly precision?: 'float32' | 'bfloat16';
  readonly maxGradNorm?: number;
  /** Batches in a step, whose gradients are averaged; the last step of an epoch has those that are left. Default 1. */
  readonly accumulate?: number;
  /** Epochs between two evaluations. Default 1. */
  readonly valInterval?: number;
  /** Steps between two training checkpoints within an epoch. Default: only at its end. */
  readonly saveInterval?: number;
  readonly evaluators?: readonly EvaluatorConfig[];
  /** Evaluate too how alike student and teacher are. Default false. */
  readonly agreement?: boolean;
  /** Which networks are evaluated. Default: all. */
  readonly evaluated?: readonly string[];
  /** Paths of frozen modules that are meant to keep the weights they were made with, such as `teacher.head`. Default: none. */
  readonly allowInitialWeights?: readonly string[];
  readonly hooks?: readonly HookConfig[];
  /** Files whose default export adds entries: `export default { loss: { MyLoss: myLossEntry } }`. */
  readonly imports?: readonly string[];
  /** Configs this one is merged over: objects key by key, everything else replaced, `_delete_: true` drops what was below. */
  readonly base?: string | readonly string[];
}

export type ExperimentConfig<D = unknown, G = D> = TrainingConfig & { readonly model: AlgorithmConfig<D, G> };

export interface StageOptions {
  /** Its folder in the run's, and what later stages call it. */
  readonly name: string;
  /** Weights to begin with: a module of an earlier stage, into one of this stage (default: of the same path). */
  readonly init?: readonly { readonly stage: string; readonly module: string; readonly into?: string }[];
}

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
>(
  config: ExperimentConfig<DistillerConfig<S, T, K, L>, DistillerConfig<S2, T2, K2, L2>>,
): ExperimentConfig<DistillerConfig<S, T, K, L>, DistillerConfig<S2, T2, K2, L2>> {
  return config;
}

/** One stage of a config of several; what it leaves out is the common config's. */
export type StageConfig<D = unknown, G = D> = Partial<TrainingConfig> &
  StageOptions & { readonly model?: AlgorithmConfig<D, G> };

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
>(stage: StageConfig<DistillerConfig<S, T, K, L>, never>): StageConfig {
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
