// A network: inline, or as `cfg_path`, the model of another config.
import { isExportAddress } from '../../config/index.ts';
import type { DictNode, TreeNode } from '../../config/tree/index.ts';
import type { Context } from './context.ts';
import { Fields } from './fields.ts';
import { isClassification } from './names.ts';
import { plainOptions } from './options.ts';
import { childOf, dictOf, flagOf, made, numberOf, rootPlace, textOf } from './place.ts';
import type { Place } from './place.ts';
import { thing } from './thing.ts';

export interface Network {
  readonly node: TreeNode;
  /** What it would do to images if it ran by itself. */
  readonly preprocessor?: Place | undefined;
  /** How it would mix batches by itself. */
  readonly augments?: Place | undefined;
}

export interface NetworkOptions {
  /** Initial weights in place of the network's own. */
  init?: TreeNode | undefined;
  /** Whether weights come from elsewhere anyway. */
  hasWeights?: boolean;
}

export function network(ctx: Context, place: Place, options: NetworkOptions = {}): Network {
  const own = ownNetwork(ctx, place);
  if (own !== undefined) return { node: own };
  if (childOf(place, 'cfg_path') !== undefined) return byReference(ctx, place, options);
  let preprocessor: Place | undefined;
  let augments: Place | undefined;
  const node = thing(ctx, place, 'models', {
    before: (fields) => {
      preprocessor = fields.get('data_preprocessor');
      augments = fields.get('train_cfg');
      fields.drop(['test_cfg'], 'networks are evaluated in one way only');
      if (options.init !== undefined) fields.take('init_cfg'); // the checkpoint counts
      return [['initCfg', options.init]];
    },
    slots: {
      backbone: (part) => backbone(ctx, part),
      neck: (part) => (part.node.kind === 'none' ? part.node : thing(ctx, part, 'necks')),
      head: (part) => head(ctx, part),
    },
  });
  return { node, preprocessor, augments };
}

/** A network of the user's, by its address: `dict(type='./my-net.ts#MyNet', width=8)`, or the address alone. */
function ownNetwork({ findings }: Context, place: Place): TreeNode | undefined {
  if (place.node.kind === 'str') {
    return isExportAddress(place.node.value) ? dictOf([['type', place.node]], place.node.origin) : undefined;
  }
  const type = childOf(place, 'type');
  const written = type === undefined ? undefined : textOf(type);
  return written !== undefined && isExportAddress(written) ? plainOptions(place, findings) : undefined;
}

function backbone(ctx: Context, place: Place): TreeNode {
  return thing(ctx, place, 'backbones', {
    before: (fields, name) => {
      if (name === 'EfficientNet' || name === 'DenseNet') return frozenStages(ctx, fields, name);
      if (name === 'VGG') return numClasses(fields);
      if (name !== 'TIMMBackbone') return [];
      const pretrained = fields.get('pretrained');
      if (pretrained?.node.value === true) {
        ctx.findings.note(
          pretrained,
          "timm's weights are not downloaded: save their state dict as safetensors and name it in checkpoint_path",
        );
      }
      return [];
    },
  });
}

/**
 * `frozen_stages` of networks that count the stem as the first stage (EfficientNet) or never freeze it (DenseNet), in both of which 0
 * is nothing: ours counts the stages behind the stem, 0 being the stem and -1 nothing.
 */
function frozenStages(ctx: Context, fields: Fields, name: string): [string, TreeNode][] {
  const given = fields.get('frozen_stages');
  if (given === undefined) return [];
  const stages = numberOf(given);
  if (stages === undefined) return [['frozenStages', given.node]]; // the schema says what is wrong
  if (name === 'EfficientNet') return [['frozenStages', made(stages - 1, given.node.origin)]];
  if (stages > 0) ctx.findings.note(given, 'the stem is frozen with the stages behind it');
  return [['frozenStages', made(stages > 0 ? stages : -1, given.node.origin)]];
}

/** -1 classes of a VGG are none. */
function numClasses(fields: Fields): [string, TreeNode][] {
  const given = fields.get('num_classes');
  return given === undefined || numberOf(given) === -1 ? [] : [['numClasses', given.node]];
}

/** A head. MMClassification's head of DeiT averages both its classifiers, MMRazor's of the same name does not. */
function head(ctx: Context, place: Place): TreeNode {
  return thing(ctx, place, 'heads', {
    before: (_fields, name, { scope }) =>
      name === 'DeiTClsHead' && isClassification(scope) ? [['average', made(true, place.node.origin)]] : [],
    slots: { loss: (part) => thing(ctx, part, 'headLosses', { usual: 'CrossEntropyLoss' }) },
  });
}

/** `dict(cfg_path='mmcls::resnet/resnet18_8xb32_in1k.py', pretrained=True)` */
function byReference(ctx: Context, place: Place, options: NetworkOptions): Network {
  const { findings } = ctx;
  const fields = new Fields(place, findings);
  const reference = fields.get('cfg_path')!;
  const pretrained = fields.get('pretrained');
  const name = textOf(reference) ?? '';
  const [, pkg, path] = /^(\w+)::([^:]+)$/.exec(name) ?? [];
  if (pkg === undefined || path === undefined) {
    findings.mistake(reference, 'expected the address of a config, such as "mmcls::resnet/resnet18_8xb32_in1k.py"');
    return { node: plainOptions(place, findings) };
  }
  if (place.path.includes(`(${name})`)) {
    findings.mistake(reference, `${name} refers to itself`);
    return { node: plainOptions(place, findings) };
  }
  const found = ctx.refer(pkg, path, reference.node.origin);
  if (found === undefined) {
    findings.missing('config file', name, reference);
    return { node: plainOptions(place, findings) };
  }
  if (pretrained !== undefined && flagOf(pretrained) === true) {
    const at = found.weights === undefined ? "OpenMMLab's own weights" : found.weights;
    const instead = options.hasWeights === true ? '; those that are named besides count' : '';
    findings.note(pretrained, `${at} would be loaded; nothing is downloaded${instead}`);
  }
  const model = found.tree.value.get('model');
  if (model?.kind !== 'dict') {
    findings.mistake(reference, `${name} has no model`);
    return { node: plainOptions(place, findings) };
  }
  // Keys beside cfg_path are defaults of the model's.
  const defaults = fields.rest().map(([key, value]) => [key, value.node] as const);
  const whole: DictNode = { ...model, value: new Map([...defaults, ...model.value]) };
  const own = model.value.get('_scope_');
  const within: Place = {
    node: whole,
    path: [...place.path, `(${name})`, 'model'],
    scope: own?.kind === 'str' ? own.value : pkg,
  };
  const built = network(ctx, within, options);
  const top = childOf(rootPlace(found.tree, pkg), 'data_preprocessor');
  return { ...built, preprocessor: built.preprocessor ?? top };
}
