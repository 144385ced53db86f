// `train_cfg`, `val_cfg`: how long is trained, how often and what is evaluated.
import type { TreeNode } from '../../config/tree/index.ts';
import type { Context } from './context.ts';
import { countOf, trainingImages } from './dataset.ts';
import { Fields } from './fields.ts';
import type { Loader } from './loader.ts';
import { lookup } from './lookup.ts';
import { typeName } from './names.ts';
import { flagOf, made } from './place.ts';
import type { Place } from './place.ts';
import type { Length } from './schedule.ts';

export interface TrainLoop extends Length {
  readonly entries: readonly (readonly [string, TreeNode | undefined])[];
}

/** @param accumulate batches in one of our steps; OpenMMLab's iterations are batches */
export function trainLoop(
  ctx: Context,
  place: Place,
  { data, accumulate }: { data: Loader | undefined; accumulate: number },
): TrainLoop {
  const { findings } = ctx;
  const fields = new Fields(place, findings);
  const type = fields.get('type');
  const { name = '', written = '' } = type?.node.kind === 'str' ? typeName(type.node.value, place) : {};
  const byEpoch = fields.read('by_epoch', flagOf, 'True or False') ?? name !== 'IterBasedTrainLoop';
  if (type !== undefined && name !== 'EpochBasedTrainLoop' && name !== 'IterBasedTrainLoop') {
    findings.missing('training loop', written, type);
  }
  const [epochs, steps] = [fields.get('max_epochs'), fields.get('max_iters')];
  const interval = fields.get('val_interval');
  fields.drop(['val_begin'], 'evaluation begins with the first epoch');
  fields.drop(['dynamic_intervals'], 'the interval between evaluations stays the same');
  fields.finish('train_cfg');
  if (byEpoch) {
    const every = interval === undefined || countOf(interval) === 1 ? undefined : interval.node;
    return {
      epochs: epochs && countOf(epochs),
      steps: undefined,
      entries: [
        ['epochs', epochs?.node],
        ['valInterval', every],
      ],
    };
  }
  return bySteps(ctx, { place, steps, interval, data, accumulate });
}

/** Ours counts epochs: as many as the steps need. */
function bySteps(
  { findings }: Context,
  {
    place,
    steps,
    interval,
    data,
    accumulate,
  }: {
    place: Place;
    steps: Place | undefined;
    interval: Place | undefined;
    data: Loader | undefined;
    accumulate: number;
  },
): TrainLoop {
  const most = steps === undefined ? undefined : countOf(steps);
  if (steps === undefined || most === undefined) {
    findings.absent(place, 'max_iters is missing');
    return { epochs: undefined, steps: undefined, entries: [] };
  }
  const images = data?.dataset === undefined ? undefined : lookup(trainingImages, data.dataset);
  const each = images === undefined || data?.batchSize === undefined ? undefined : Math.floor(images / data.batchSize);
  const epochs = each === undefined ? most : Math.ceil(most / each);
  const wanted = interval && countOf(interval);
  const every = wanted === undefined ? 1 : Math.max(1, Math.round(wanted / (each ?? wanted)));
  if (wanted !== undefined) {
    findings.note(
      interval!,
      `every ${wanted} steps: evaluated after every ${every === 1 ? 'epoch' : `${every} epochs`} here${each === undefined ? '' : ` of ${each} steps`}`,
    );
  }
  if (each === undefined)
    findings.note(steps, 'how many epochs that is, is not known: epochs is an upper bound, maxSteps ends training');
  return {
    epochs,
    steps: most,
    entries: [
      ['epochs', made(epochs, steps.node.origin)],
      ['maxSteps', accumulate === 1 ? steps.node : made(Math.ceil(most / accumulate), steps.node.origin)],
      ['valInterval', every === 1 ? undefined : made(every, interval!.node.origin)],
    ],
  };
}

/** Which networks are evaluated; undefined: all of them. */
export function evaluatedBy(
  ctx: Context,
  place: Place | undefined,
  algorithm: string | undefined,
): TreeNode | undefined {
  const studentOnly = made(['student'], place?.node.origin ?? { file: '', line: 0, column: 0 });
  const hasTeacher = algorithm !== undefined && algorithm !== 'Supervised' && algorithm !== 'SelfDistill';
  if (place === undefined || place.node.kind === 'none') return undefined;
  const fields = new Fields(place, ctx.findings);
  const type = fields.get('type');
  const { name = 'ValLoop', written = '' } = type?.node.kind === 'str' ? typeName(type.node.value, place) : {};
  fields.drop(['fp16'], 'evaluation computes as training does');
  fields.finish('val_cfg');
  if (name === 'SingleTeacherDistillValLoop' || name === 'SelfDistillValLoop') return undefined;
  if (name !== 'ValLoop') ctx.findings.missing('evaluation loop', written, type!);
  return hasTeacher ? studentOnly : undefined;
}
