// A distiller put together from a config: recorders on both networks, deliveries between them, connectors, losses, and which
// record goes where. A step goes: teacherPass, studentPass, forward, endStep.
import { isPlain } from '../../check.ts';
import { describeValue, RetortError } from '../../errors.ts';
import { Module, ModuleDict, targetsOf } from '../../nn/index.ts';
import type { GivenBatch, Inputs, Targets } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { detached, isAutocastEnabled, mapLeaves, Tensor, withoutAutocast } from '../../torch/index.ts';
import { span } from '../../torch/internal.ts';
import { buildConnector } from '../connectors/index.ts';
import type { ConnectorConfig } from '../connectors/index.ts';
import { DistillDeliveryManager } from '../deliveries/index.ts';
import type { DeliveryConfigs } from '../deliveries/index.ts';
import { widened } from '../losses/common/sides.ts';
import { buildLoss, oneClass, withoutMixing } from '../losses/index.ts';
import type { Compat, DistillLoss } from '../losses/index.ts';
import { RecorderManager } from '../recorders/index.ts';
import type { RecorderConfigs } from '../recorders/index.ts';
import { distillerSchema } from './distiller-schema.ts';
import type { DistillerOptions, LossesByName } from './distiller-types.ts';
import { checkMappings } from './mapping-check.ts';
import { connectorsOf, fieldOf, sourcesOf } from './mapping.ts';
import type { ArgumentMapping, ArgumentSource, BatchField, LossForwardMappings, RecordSource } from './mapping.ts';
import { weightFactor } from './weight-schedule.ts';
import type { TrainingProgress, WeightSchedule } from './weight-schedule.ts';

/** What a distiller is put together from where the names in it are not known to the compiler, such as in what was read from a file. */
export interface ConfigurableDistillerOptions {
  studentRecorders?: RecorderConfigs | undefined;
  teacherRecorders?: RecorderConfigs | undefined;
  distillDeliveries?: DeliveryConfigs | undefined;
  connectors?: Readonly<Record<string, ConnectorConfig>> | undefined;
  distillLosses?: Readonly<Record<string, TypedConfig | DistillLoss>> | undefined;
  lossForwardMappings?: LossForwardMappings | undefined;
  lossWeightSchedules?: Readonly<Record<string, WeightSchedule>> | undefined;
  detachTeacher?: boolean | undefined;
  compat?: Compat | undefined;
}

/** What arguments are made from in one step. */
interface Step {
  batch: { readonly inputs: Inputs; readonly targets: Targets } | undefined;
  /** The outputs of connectors that have run. */
  connected: Map<string, unknown>;
  /** The argument, for errors. */
  where: string;
}

/**
 * Compares what two networks compute: recorders on both, deliveries from the teacher to the student, connectors, and losses whose
 * arguments `lossForwardMappings` takes from records. The code of neither network is touched. A step goes `teacherPass`,
 * `studentPass`, `forward`, `endStep`. The types know the names of recorders (`S`, `T`), connectors (`K`) and losses (`L`).
 *
 * @example
 * ```ts
 * const fc = { type: 'ModuleOutputs', source: 'fc' } as const;
 * const distiller = new ConfigurableDistiller({
 *   studentRecorders: { fc },
 *   teacherRecorders: { fc },
 *   distillLosses: { loss_kl: { type: 'KLDivergence', tau: 2 } },
 *   lossForwardMappings: {
 *     loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
 *   },
 * });
 * ```
 */
export class ConfigurableDistiller<
  const S extends string = string,
  const T extends string = string,
  const K extends string = string,
  const L extends LossesByName = LossesByName,
> extends Module {
  readonly studentRecorders: RecorderManager;
  readonly teacherRecorders: RecorderManager;
  readonly deliveries: DistillDeliveryManager;
  readonly connectors: ModuleDict<Module>;
  readonly distill_losses: ModuleDict<DistillLoss>;
  /** What is configured and not used, or will surprise; said once when the distiller is made. */
  readonly warnings: readonly string[];
  readonly mappings: LossForwardMappings;
  readonly #schedules: Readonly<Record<string, WeightSchedule>>;
  readonly #original: boolean;
  readonly #detachTeacher: boolean;
  #progress: TrainingProgress = { epoch: 0, step: 0 };

  /** @throws {RetortError} for options that make no sense, and one that lists every mistake in the mappings. */
  constructor(given: DistillerOptions<S, T, K, L> = {}) {
    super();
    checkOptions(distillerSchema, given, new.target.name);
    const options = given as ConfigurableDistillerOptions;
    const { connectors = {}, distillLosses = {}, lossForwardMappings = {}, lossWeightSchedules = {}, compat } = options;
    const inherited = compat === undefined ? {} : { compat };
    const withCompat = <T>(config: T): T => (isPlain(config) ? { ...inherited, ...config } : config);
    this.studentRecorders = new RecorderManager(options.studentRecorders);
    this.teacherRecorders = new RecorderManager(options.teacherRecorders);
    this.deliveries = new DistillDeliveryManager(options.distillDeliveries);
    this.connectors = new ModuleDict(
      mapValues(connectors, (config, name) => {
        const given = Array.isArray(config) ? config.map(withCompat) : withCompat(config);
        return buildConnector(given as ConnectorConfig, `connector "${name}"`);
      }),
    );
    const losses = mapValues(distillLosses, (config, name) => buildLoss(withCompat(config), `loss "${name}"`));
    this.distill_losses = new ModuleDict(losses);
    this.mappings = lossForwardMappings;
    this.#schedules = lossWeightSchedules;
    this.#original = compat === 'mmrazor';
    this.#detachTeacher = options.detachTeacher ?? false;
    const { mistakes, warnings } = checkMappings({
      losses: new Map(Object.entries(losses)),
      student: [...this.studentRecorders.recorders.keys()],
      teacher: [...this.teacherRecorders.recorders.keys()],
      connectors: this.connectors.keys(),
      mappings: lossForwardMappings,
    });
    for (const name of Object.keys(lossWeightSchedules)) {
      if (!Object.hasOwn(losses, name)) mistakes.push(`lossWeightSchedules: unknown loss "${name}"`);
    }
    if (mistakes.length > 0) {
      throw new RetortError(`${new.target.name}:\n    ${mistakes.join('\n    ')}`, { code: 'invalid-config' });
    }
    this.warnings = warnings;
    for (const warning of warnings) process.emitWarning(`${new.target.name}: ${warning}`, 'RetortWarning');
  }

  /** A distiller of this class from options whose names the compiler does not know. @throws {RetortError} as the constructor. */
  static fromOptions<D>(this: new (options: never) => D, options: ConfigurableDistillerOptions): D {
    return new this(options as never);
  }

  /** Finds the student's recorders in a model. */
  prepareFromStudent(model: Module): void {
    this.studentRecorders.initialize(model);
  }

  /** Finds the teacher's recorders in a model. */
  prepareFromTeacher(model: Module): void {
    this.teacherRecorders.initialize(model);
  }

  /** Tells how far training is: the weights of losses may depend on it. */
  setProgress(progress: TrainingProgress): void {
    this.#progress = progress;
  }

  /** What the weight of a loss is multiplied with now. */
  weightFactor(name: string): number {
    const schedule = Object.hasOwn(this.#schedules, name) ? this.#schedules[name] : undefined;
    return schedule === undefined ? 1 : weightFactor(schedule, this.#progress);
  }

  /** The names of the losses that are computed now: mapped, and of a weight that is not 0. */
  activeLosses(): string[] {
    return Object.keys(this.mappings).filter(
      (name) => this.distill_losses.get(name).lossWeight !== 0 && this.weightFactor(name) !== 0,
    );
  }

  /** What cannot be trained beside images that are mixed, in words: active losses that want the one true class of each sample. */
  wantsOneClass(): string[] {
    return this.activeLosses().flatMap((name) => {
      const { classes = [] } = this.distill_losses.get(name).inputs;
      const wanted = Object.entries(this.mappings[name]!).filter(
        ([argument, mapping]) =>
          classes.includes(argument) || sourcesOf(mapping).some((one) => 'field' in one && isLabels(one.field)),
      );
      return wanted.map(
        ([argument]) =>
          `loss "${name}": ${argument}: one true class of each sample is wanted, but training images are mixed; ${withoutMixing}`,
      );
    });
  }

  /** Runs the teacher: its recorders record, deliveries keep what it returns. */
  teacherPass<T>(body: () => T): T {
    this.deliveries.clear(); // of a step that was abandoned
    this.deliveries.overrideData = false;
    return span('teacher', undefined, () => this.teacherRecorders.record(() => this.deliveries.deliver(body)));
  }

  /** Runs the student: its recorders record, deliveries hand out what the teacher returned. */
  studentPass<T>(body: () => T): T {
    this.deliveries.overrideData = true;
    return span('student', undefined, () => this.studentRecorders.record(() => this.deliveries.deliver(body)));
  }

  /** Checks that the student took all that was delivered. @throws {RetortError} when something is left over. */
  endStep(): void {
    this.deliveries.endStep();
  }

  /**
   * Every active loss from the records at hand, by name; one whose weight is 0 now is left out. Each connector runs once per record,
   * however often it is read.
   * @param given needed where a mapping names a field of the batch.
   */
  override forward(given?: GivenBatch): { [Name in keyof L]: Tensor } {
    const batch = given === undefined ? undefined : packed(given);
    const connected = new Map<string, unknown>();
    const results: Record<string, Tensor> = {};
    for (const name of this.activeLosses()) {
      const args = this.argumentsOf(name, batch, connected);
      const loss = span('losses', name, () => this.#computed(name, args));
      const factor = this.weightFactor(name);
      results[name] = factor === 1 ? loss : loss.mul(factor);
    }
    return results as { [Name in keyof L]: Tensor };
  }

  /** @throws {RetortError} for a record that is a list where the loss wants one tensor: what a backbone or a neck returns is one. */
  #computed(name: string, args: Readonly<Record<string, unknown>>): Tensor {
    const loss = this.distill_losses.get(name);
    try {
      if (!isAutocastEnabled()) return loss.forward(args as never);
      // Autocast would round the products that losses make, such as those of images with each other.
      const wide = mapLeaves(args, (leaf) => (leaf instanceof Tensor ? widened(leaf) : leaf));
      return withoutAutocast(() => loss.forward(wide as never));
    } catch (cause) {
      // What a loss says of a list that it has looked at stays; these come of one that did not expect it.
      if (!(cause instanceof TypeError || /no overload takes/.test((cause as Error).message))) throw cause;
      const listed = Object.entries(this.mappings[name]!).find(
        ([argument, mapping]) => 'recorder' in mapping && Array.isArray(args[argument]),
      );
      if (listed === undefined) throw cause;
      const [argument, mapping] = listed as [string, RecordSource];
      const where = mapping.connector === undefined ? 'dataIdx' : 'connectorIdx';
      throw new RetortError(
        `loss "${name}" (${loss.constructor.name}): ${argument}: expected a tensor, got ${describeValue(args[argument])} from recorder ` +
          `"${mapping.recorder}" of the ${mapping.fromStudent ? 'student' : 'teacher'}`,
        { code: 'mismatch', cause, help: `pick one of them: ${where}: 0 in lossForwardMappings.${name}.${argument}` },
      );
    }
  }

  /** The arguments of a loss from the records at hand; `connected` has the outputs of connectors that have run for this step. */
  argumentsOf(name: string, given?: GivenBatch, connected = new Map<string, unknown>()): Record<string, unknown> {
    const batch = given === undefined ? undefined : packed(given);
    return mapValues(this.mappings[name]!, (mapping, argument) =>
      this.#argument(mapping, { batch, connected, where: `loss "${name}", argument "${argument}"` }),
    );
  }

  #argument(mapping: ArgumentMapping, step: Step): unknown {
    if (Array.isArray(mapping)) {
      return (mapping as readonly ArgumentSource[]).map((source) => this.#argument(source, step));
    }
    const source = mapping as ArgumentSource;
    if ('value' in source) return source.value;
    if ('field' in source) return fromBatch(source.field, step);
    const value = this.#record(source, step.connected);
    return this.#detachTeacher && !source.fromStudent ? detached(value) : value;
  }

  /** The record of a source, through its connectors; `connected` has the outputs of those that have run for this step. */
  #record(source: RecordSource, connected: Map<string, unknown>): unknown {
    const { recorder, fromStudent, recordIdx, dataIdx, connectorIdx } = source;
    const manager = fromStudent ? this.studentRecorders : this.teacherRecorders;
    let value = manager.getRecorder(recorder).getRecordData(recordIdx, dataIdx);
    let key = JSON.stringify([recorder, fromStudent, recordIdx ?? 0, dataIdx]);
    for (const connector of connectorsOf(source)) {
      key += `>${connector}`;
      if (this.#original || !connected.has(key)) {
        const run = this.connectors.get(connector).forward as (input: unknown) => unknown;
        const given = value;
        connected.set(
          key,
          span('connectors', connector, () => run(given)),
        );
      }
      value = connected.get(key);
    }
    return connectorIdx === undefined ? value : part(value, connectorIdx, source);
  }
}

function part(value: unknown, index: number, source: RecordSource): unknown {
  const parts = Array.isArray(value) ? (value as readonly unknown[]) : undefined;
  const found = parts?.at(index);
  if (found !== undefined) return found;
  throw new RetortError(
    `connectorIdx ${index} of recorder "${source.recorder}": the connector gives ${parts === undefined ? 'one value' : `${parts.length} values`}`,
    { help: parts === undefined ? 'leave connectorIdx out' : `use 0 to ${parts.length - 1}` },
  );
}

/** A batch with its targets in tensors. */
function packed({ inputs, targets, dataSamples = [] }: GivenBatch): { inputs: Inputs; targets: Targets } {
  return { inputs, targets: targetsOf(targets ?? dataSamples) };
}

/** Something of the batch: a tensor, a list, or a record of them. */
function fromBatch(field: BatchField, { batch, where }: Step): unknown {
  const help = 'call forward({ inputs, targets }), or forward({ inputs, dataSamples })';
  if (batch === undefined) {
    throw new RetortError(`${where} asks for the batch's "${field}", but no batch was given`, {
      code: 'invalid-state',
      help,
    });
  }
  const { part, name } = fieldOf(field)!;
  const whole = batch[part];
  if (name === undefined) return whole;
  const found = part === 'inputs' && whole instanceof Tensor ? undefined : (whole as Targets)[name];
  if (found === undefined) {
    const has = whole instanceof Tensor ? 'inputs is one tensor' : `it has ${Object.keys(whole).join(', ') || 'none'}`;
    throw new RetortError(`${where} asks for the batch's "${field}", which is missing: ${has}`, {
      help: 'the data set gives what is in a batch; DataLoader adds sampleIdxs',
    });
  }
  if (isLabels(field)) requireOneClass(batch.targets, where);
  return found;
}

/** The labels of the batch, not what a network is given under that name. */
function isLabels(field: BatchField): boolean {
  const { part, name } = fieldOf(field)!;
  return part === 'targets' && name === 'labels';
}

/** @throws {RetortError} for a sample that is several classes at once, as images are that were mixed. */
function requireOneClass({ scores }: Targets, where: string): void {
  if (scores === undefined) return;
  const mixed = scores.amax([1]).lt(oneClass);
  if (mixed.any().item() === 0) return;
  const sample = Array.from(mixed.data(), Number).indexOf(1);
  const shares = Array.from(scores.select(0, sample).data(), Number).entries();
  const some = [...shares].filter(([, share]) => share > 0).slice(0, 3);
  const shown = some.map(([k, share]) => `${Number(share.toFixed(3))} of class ${k}`).join(', ');
  throw new RetortError(`${where}: sample ${sample} of the batch is mixed (${shown}), expected one true class`, {
    help: withoutMixing,
  });
}

function mapValues<V, W>(record: Readonly<Record<string, V>>, change: (value: V, key: string) => W): Record<string, W> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
}
