// A distiller put together from a config: recorders on both networks, connectors, losses, and which record goes where.
import { RetortError } from '../../errors.ts';
import { Module, ModuleDict } from '../../nn/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildLoss } from '../losses/index.ts';
import type { DistillLoss } from '../losses/index.ts';
import type { RecorderConfigs } from '../recorders/index.ts';
import { RecorderManager } from '../recorders/index.ts';
import type { ArgumentMapping, LossForwardMappings } from './mapping.ts';
import { mappingMistakes } from './mapping.ts';

export interface ConfigurableDistillerOptions {
  studentRecorders?: RecorderConfigs;
  teacherRecorders?: RecorderConfigs;
  /** Modules that bring a record to the shape the loss wants; trained with the student. */
  connectors?: Readonly<Record<string, Module>>;
  distillLosses?: Readonly<Record<string, TypedConfig | DistillLoss>>;
  lossForwardMappings?: LossForwardMappings;
}

export class ConfigurableDistiller extends Module {
  readonly studentRecorders: RecorderManager;
  readonly teacherRecorders: RecorderManager;
  readonly connectors: ModuleDict<Module>;
  readonly distill_losses: ModuleDict<DistillLoss>;
  readonly #mappings: LossForwardMappings;

  /** @throws {RetortError} that lists every mistake in the mappings. */
  constructor(options: ConfigurableDistillerOptions = {}) {
    super();
    const { connectors = {}, distillLosses = {}, lossForwardMappings = {} } = options;
    this.studentRecorders = new RecorderManager(options.studentRecorders);
    this.teacherRecorders = new RecorderManager(options.teacherRecorders);
    this.connectors = new ModuleDict(connectors);
    const losses = Object.entries(distillLosses).map(
      ([name, config]) => [name, buildLoss(config, `loss "${name}"`)] as const,
    );
    this.distill_losses = new ModuleDict(Object.fromEntries(losses));
    this.#mappings = lossForwardMappings;
    const mistakes = mappingMistakes({
      losses: new Map(losses),
      student: this.studentRecorders,
      teacher: this.teacherRecorders,
      connectors: this.connectors.keys(),
      mappings: lossForwardMappings,
    });
    if (mistakes.length > 0) throw new RetortError(`${new.target.name}:\n    ${mistakes.join('\n    ')}`);
  }

  /** Finds the student's recorders in a model. */
  prepareFromStudent(model: Module): void {
    this.studentRecorders.initialize(model);
  }

  /** Finds the teacher's recorders in a model. */
  prepareFromTeacher(model: Module): void {
    this.teacherRecorders.initialize(model);
  }

  /** Every mapped loss from the records at hand, by name. Each connector runs once per record, however often it is read. */
  override forward(): Record<string, Tensor> {
    const connected = new Map<string, unknown>();
    const results: Record<string, Tensor> = {};
    for (const [name, args] of Object.entries(this.#mappings)) {
      const values = Object.entries(args).map(([argument, mapping]) => [argument, this.#value(mapping, connected)]);
      results[name] = this.distill_losses.get(name).forward(Object.fromEntries(values) as never);
    }
    return results;
  }

  #value(mapping: ArgumentMapping, connected: Map<string, unknown>): unknown {
    const { recorder, fromStudent, recordIdx, dataIdx, connector, connectorIdx } = mapping;
    const manager = fromStudent ? this.studentRecorders : this.teacherRecorders;
    const record = manager.getRecorder(recorder).getRecordData(recordIdx, dataIdx);
    if (connector === undefined) return record;
    const key = JSON.stringify([connector, recorder, fromStudent, recordIdx, dataIdx]);
    if (!connected.has(key)) {
      const run = this.connectors.get(connector).forward as (input: unknown) => unknown;
      connected.set(key, run(record));
    }
    const output = connected.get(key);
    return connectorIdx === undefined ? output : (output as readonly unknown[]).at(connectorIdx);
  }
}
