// Overhaul of Feature Distillation: the teacher's features before its ReLU, cut at a margin that its batch norms give.
import { RetortError } from '../../errors.ts';
import { BatchNorm2d, Module } from '../../nn/index.ts';
import { OFDTeacherConnector } from '../connectors/index.ts';
import { OFDLoss } from '../losses/index.ts';
import { ConfigurableDistiller } from './configurable-distiller.ts';
import type { LossesByName } from './distiller-types.ts';
import { connectorsOf, sourcesOf } from './mapping.ts';
import type { RecordSource } from './mapping.ts';

/**
 * A {@link ConfigurableDistiller} that gives its `OFDTeacherConnector`s their margins: the mean of a batch norm's negative
 * outputs, from its scale and shift.
 *
 * Heo et al.: A Comprehensive Overhaul of Feature Distillation, arXiv 1904.01866.
 */
export class OFDDistiller<
  const S extends string = string,
  const T extends string = string,
  const K extends string = string,
  const L extends LossesByName = LossesByName,
> extends ConfigurableDistiller<S, T, K, L> {
  /**
   * Computes the margins from the teacher's weights as they are now.
   * @throws {RetortError} when a record behind such a connector is not that of a BatchNorm2d.
   */
  initOfdConnectors(teacher: Module): void {
    for (const [loss, args] of Object.entries(this.mappings)) {
      if (!(this.distill_losses.get(loss) instanceof OFDLoss)) continue;
      for (const source of Object.values(args).flatMap(sourcesOf)) {
        if ('recorder' in source && !source.fromStudent) this.#initialize(teacher, source);
      }
    }
  }

  #initialize(teacher: Module, source: RecordSource): void {
    for (const name of connectorsOf(source)) {
      const connector = this.connectors.get(name);
      if (!(connector instanceof OFDTeacherConnector)) {
        throw new RetortError(`OFDDistiller: connector "${name}": expected an OFDTeacherConnector`, {
          code: 'invalid-config',
          help: `it stands between teacher recorder "${source.recorder}" and an OFDLoss`,
        });
      }
      const recorded = this.teacherRecorders.getRecorder(source.recorder).source as unknown;
      const norm = recorded instanceof Module ? recorded : teacher.getModule(String(recorded));
      if (!(norm instanceof BatchNorm2d)) {
        throw new RetortError(
          `OFDDistiller: teacher recorder "${source.recorder}": expected a BatchNorm2d to record, "${String(recorded)}" is ${norm === undefined ? 'not a module' : `a ${norm.constructor.name}`}`,
          { code: 'invalid-config', help: 'record the batch norm in front of a ReLU, such as backbone.layer3.0.bn1' },
        );
      }
      connector.initMargin(norm);
    }
  }
}
