// A distiller: recorders, deliveries, connectors, losses, and which record goes into which argument. Names that users give stay.
import { didYouMean } from '../../errors.ts';
import { camelKey, dictNode } from '../../config/tree/index.ts';
import type { DictNode, TreeNode } from '../../config/tree/index.ts';
import type { Context, RegistryName } from './context.ts';
import { Fields } from './fields.ts';
import { foreign } from './foreign.ts';
import { labelLoss, labelLossOf } from './label-losses.ts';
import { lookup } from './lookup.ts';
import { isClassification } from './names.ts';
import type { TypeName } from './names.ts';
import { childOf, dictOf, flagOf, itemsOf, made } from './place.ts';
import type { Place } from './place.ts';
import { thing } from './thing.ts';

/** Connectors without parameters: there is nothing to load into them. */
const withoutWeights = new Set([
  'NormConnector',
  'OFDTeacherConnector',
  'TorchFunctionalConnector',
  'TorchNNConnector',
]);

export interface DistillerOptions {
  /** Gives every connector that has weights those of a checkpoint, by the connector's name. */
  connectorInit?: ((name: string) => TreeNode) | undefined;
}

export function distiller(ctx: Context, place: Place, { connectorInit }: DistillerOptions = {}): TreeNode {
  const named = (registry: RegistryName) => (map: Place) => entriesOf(map, (item) => part(ctx, item, registry));
  return thing(ctx, place, 'distillers', {
    before: (fields) => {
      fields.drop(['init_cfg'], 'a distiller has no weights of its own: give init_cfg to its connectors');
      const mappings = fields.get('loss_forward_mappings');
      return [['lossForwardMappings', mappings === undefined ? undefined : lossMappings(ctx, mappings, place)]];
    },
    slots: {
      studentRecorders: named('recorders'),
      teacherRecorders: named('recorders'),
      distillDeliveries: named('deliveries'),
      connectors: (map) => entriesOf(map, (item, name) => connector(ctx, item, connectorInit?.(name))),
      distillLosses: (map) =>
        entriesOf(mapped(ctx, map, place), (item) =>
          thing(ctx, item, 'losses', { rename: lossName, before: olderReduction }),
        ),
    },
  });
}

/** The losses that have a mapping; in MMRazor the others are never computed. */
function mapped({ findings }: Context, losses: Place, distillerPlace: Place): Place {
  const { node } = losses;
  const mappings = childOf(distillerPlace, 'loss_forward_mappings')?.node;
  if (node.kind !== 'dict' || mappings?.kind !== 'dict') return losses;
  const kept = [...node.value].filter(([name]) => name === '_scope_' || mappings.value.has(name));
  for (const name of node.value.keys()) {
    const unused = name === '_scope_' || mappings.value.has(name) ? undefined : childOf(losses, name);
    if (unused !== undefined) findings.note(unused, 'left out: it has no mapping and is never computed, as in MMRazor');
  }
  return { ...losses, node: dictNode(kept, node.origin) };
}

function part(ctx: Context, place: Place, registry: RegistryName): TreeNode {
  return thing(ctx, place, registry);
}

/** A connector, or a list of them that follow one another. */
function connector(ctx: Context, place: Place, init: TreeNode | undefined): TreeNode {
  if (place.node.kind === 'list' || place.node.kind === 'tuple') {
    return { ...place.node, value: itemsOf(place).map((item, i) => connector(ctx, item, init && indexed(init, i))) };
  }
  return thing(ctx, place, 'connectors', {
    before: (fields, name) => {
      if (init === undefined || withoutWeights.has(name)) return [];
      fields.take('init_cfg'); // the checkpoint counts
      return [['initCfg', init]];
    },
  });
}

/** The prefix of one of a sequence: `distiller.connectors.a.0.` */
function indexed(init: TreeNode, i: number): TreeNode {
  const { value, origin } = init as DictNode;
  const prefix = value.get('prefix');
  const own = prefix?.kind === 'str' ? prefix.value : '';
  return dictNode([...value, ['prefix', { kind: 'str', value: `${own}${i}.`, origin }]], origin);
}

/**
 * PyTorch's older options of a reduction, which go before `reduction`: `reduce=False` is none, else `size_average=False` a sum and
 * anything else a mean.
 */
function olderReduction(fields: Fields, name: string): [string, TreeNode][] {
  if (name !== 'L1Loss') return [];
  const size = fields.read('size_average', flagOf, 'True or False');
  const reduce = fields.read('reduce', flagOf, 'True or False');
  if (size === undefined && reduce === undefined) return [];
  fields.take('reduction');
  const reduction = reduce === false ? 'none' : size === false ? 'sum' : 'mean';
  return [['reduction', made(reduction, fields.place.node.origin)]];
}

/** Our name of a loss: the package tells losses of one name apart. */
function lossName({ name, scope }: TypeName): string | undefined {
  if (isClassification(scope)) return labelLoss(name, scope)?.name;
  return /^(mmrazor|mmengine)?$/.test(scope) ? name : undefined;
}

/** The same dict with every value translated; its keys are names that users gave. */
export function entriesOf(place: Place, translate: (place: Place, name: string) => TreeNode): TreeNode {
  if (place.node.kind !== 'dict') return place.node;
  const keys = [...place.node.value.keys()].filter((key) => key !== '_scope_');
  return dictNode(
    keys.map((key) => [key, translate(childOf(place, key)!, key)]),
    place.node.origin,
  );
}

/** Argument by argument; recorders, connectors and losses that are named must be there. */
function lossMappings(ctx: Context, place: Place, distillerPlace: Place): TreeNode {
  return entriesOf(place, (mapping, loss) => {
    requireName(ctx, mapping, { name: loss, of: distillerPlace, key: 'distill_losses', what: 'loss' });
    if (mapping.node.kind !== 'dict') return foreign(ctx, mapping);
    const ofLabels = labelLossOf(distillerPlace, loss);
    const args = [...mapping.node.value.keys()].map((key): [string, TreeNode] => [
      lookup(ofLabels?.arguments ?? {}, key) ?? camelKey(key),
      source(ctx, childOf(mapping, key)!, distillerPlace),
    ]);
    return dictNode(args, mapping.node.origin);
  });
}

/** Where one argument comes from; the tutorial's `from_recorder` and `connector_name` are read too. */
function source(ctx: Context, place: Place, distillerPlace: Place): TreeNode {
  if (place.node.kind === 'list' || place.node.kind === 'tuple') {
    return { ...place.node, value: itemsOf(place).map((item) => source(ctx, item, distillerPlace)) };
  }
  const fields = new Fields(place, ctx.findings);
  const recorder = fields.get('recorder') ?? fields.get('from_recorder');
  const connectors = fields.get('connector') ?? fields.get('connector_name');
  const fromStudent = fields.get('from_student');
  const side = fromStudent?.node.value === true ? 'student_recorders' : 'teacher_recorders';
  if (recorder !== undefined && fromStudent !== undefined) {
    requireName(ctx, recorder, { of: distillerPlace, key: side, what: `recorder of ${side}` });
  }
  for (const one of connectors === undefined ? [] : itemsOf(connectors)) {
    requireName(ctx, one, { of: distillerPlace, key: 'connectors', what: 'connector' });
  }
  const entries = [
    ['recorder', recorder?.node],
    ['fromStudent', fromStudent?.node],
    ['recordIdx', fields.get('record_idx')?.node],
    ['dataIdx', fields.get('data_idx')?.node],
    ['connector', connectors?.node],
    ['connectorIdx', fields.get('connector_idx')?.node],
    ['field', fields.get('field')?.node],
    ['value', fields.get('value')?.node],
  ] as const;
  fields.finish('an argument of a loss');
  return dictOf(entries, place.node.origin);
}

function requireName(
  { findings }: Context,
  place: Place,
  { name, of, key, what }: { name?: string; of: Place; key: string; what: string },
): void {
  const wanted = name ?? (place.node.kind === 'str' ? place.node.value : undefined);
  if (wanted === undefined) return;
  const map = childOf(of, key)?.node;
  const known = map?.kind === 'dict' ? [...map.value.keys()] : [];
  if (!known.includes(wanted)) findings.mistake(place, `unknown ${what} "${wanted}"; ${didYouMean(wanted, known)}`);
}
