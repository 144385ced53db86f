// `model`: an algorithm with its networks and distillers. A network by itself is trained on labels alone.
import { camelKey, dictNode, toPlain } from '../../config/tree/index.ts';
import type { TreeNode } from '../../config/tree/index.ts';
import { schemaOf } from './context.ts';
import type { Context } from './context.ts';
import { distiller, entriesOf } from './distiller.ts';
import { Fields } from './fields.ts';
import { typeName } from './names.ts';
import { network } from './network.ts';
import type { Network, NetworkOptions } from './network.ts';
import { checkpointPath } from './options.ts';
import { childOf, dictOf, made, textOf } from './place.ts';
import type { Place } from './place.ts';
import { thing } from './thing.ts';

export interface Model {
  readonly node: TreeNode;
  /** Our name of the algorithm; undefined where there is none. */
  readonly name: string | undefined;
  /** What is done to the images of all networks. */
  readonly preprocessor: Place | undefined;
  /** How training batches are mixed, where the preprocessor does not say. */
  readonly augments: Place | undefined;
}

export interface ModelOptions {
  /** The `data_preprocessor` beside the model. */
  preprocessor?: Place | undefined;
  /** A checkpoint of the whole algorithm to begin with (`load_from`). */
  loadFrom?: Place | undefined;
}

export function model(ctx: Context, place: Place, options: ModelOptions): Model {
  const type = childOf(place, 'type');
  const written = type === undefined ? undefined : textOf(type);
  const { name = '', scope = '' } = written === undefined ? {} : typeName(written, place);
  const isAlgorithm = schemaOf(ctx, 'algorithms', name) !== undefined;
  if (isAlgorithm || scope === 'mmrazor') return algorithm(ctx, place, { name, ...options });
  const own = network(ctx, place);
  const entries = [
    ['type', made('Supervised', place.node.origin)],
    ['architecture', own.node],
  ] as const;
  return {
    node: dictOf(entries, place.node.origin),
    name: 'Supervised',
    preprocessor: own.preprocessor ?? options.preprocessor,
    augments: own.augments,
  };
}

function algorithm(ctx: Context, place: Place, options: ModelOptions & { name: string }): Model {
  const { findings } = ctx;
  const networks: { prefix: string; place: Place; network: Network }[] = [];
  let preprocessor: Place | undefined;
  const init = initOf(ctx, place, options.loadFrom);
  const ckpt = childOf(place, 'teacher_ckpt');
  const hasWeights = init !== undefined || ckpt?.node.kind === 'str';
  const build = (part: Place, prefix: string, more: NetworkOptions = {}): TreeNode => {
    const built = network(ctx, part, { init: init?.(prefix), hasWeights: init !== undefined, ...more });
    networks.push({ prefix, place: part, network: built });
    return built.node;
  };
  const distill = (part: Place, prefix: string): TreeNode =>
    distiller(ctx, part, {
      connectorInit: init === undefined ? undefined : (name) => init(`${prefix}.connectors.${name}.`)!,
    });
  const node = thing(ctx, place, 'algorithms', {
    before: (fields) => {
      preprocessor = fields.get('data_preprocessor');
      if (ctx.compat !== undefined) {
        findings.note(
          place,
          'numbers are as in MMRazor (compat); docs/differences.md says where that is not what options say',
        );
      }
      fields.take('init_cfg');
      if (init !== undefined) dropReplaced(ctx, fields);
      return [['compat', ctx.compat === undefined ? undefined : made(ctx.compat, place.node.origin)]];
    },
    slots: {
      architecture: (part) => build(part, 'architecture.'),
      teacher: (part) => build(part, 'teacher.', { hasWeights }),
      teacherCkpt: (part) => checkpointPath(part, findings),
      teachers: (map) =>
        entriesOf(map, (part, name) => teacher(ctx, part, (inner, more) => build(inner, `teachers.${name}.`, more))),
      distiller: (part) => distill(part, 'distiller'),
      generatorDistiller: (part) => distill(part, 'generator_distiller'),
      generator: (part) => generator(ctx, part, init?.('generator.')),
    },
  });
  const student = networks.find(({ prefix }) => prefix === 'architecture.');
  preprocessor ??= options.preprocessor;
  const augments = preprocessor === undefined ? student?.network.augments : undefined;
  if (preprocessor !== undefined) noteUnused(ctx, networks);
  preprocessor ??= student?.network.preprocessor;
  for (const one of networks) if (one !== student) noteOther(ctx, one, preprocessor);
  const known = schemaOf(ctx, 'algorithms', options.name) !== undefined;
  return { node, name: known ? options.name : undefined, preprocessor, augments };
}

/** `dict(build_cfg=..., ckpt_path=...)` */
function teacher(ctx: Context, place: Place, build: (place: Place, more: NetworkOptions) => TreeNode): TreeNode {
  const inner = childOf(place, 'build_cfg');
  if (inner === undefined) return build(place, {});
  const fields = new Fields(place, ctx.findings);
  fields.take('build_cfg');
  const path = fields.get('ckpt_path');
  fields.finish('a teacher');
  const entries = [
    ['buildCfg', build(inner, path === undefined ? {} : { hasWeights: true })],
    ['ckptPath', path === undefined ? undefined : checkpointPath(path, ctx.findings)],
  ] as const;
  return dictOf(entries, place.node.origin);
}

function generator(ctx: Context, place: Place, init: TreeNode | undefined): TreeNode {
  return thing(ctx, place, 'generators', {
    before: (fields) => {
      if (init === undefined) return [];
      fields.take('init_cfg');
      return [['initCfg', init]];
    },
  });
}

/**
 * A checkpoint of the whole algorithm (`init_cfg`, `load_from`) gives each part its own share of it. What makes that share, or
 * nothing where there is no such checkpoint.
 */
function initOf(
  ctx: Context,
  place: Place,
  loadFrom: Place | undefined,
): ((prefix: string) => TreeNode | undefined) | undefined {
  const config = childOf(place, 'init_cfg');
  const asked = config?.node.kind === 'dict' ? config : undefined;
  const checkpoint = loadFrom ?? (asked === undefined ? undefined : childOf(asked, 'checkpoint'));
  const type = asked === undefined ? undefined : childOf(asked, 'type');
  if (asked !== undefined && type?.node.value !== 'Pretrained') {
    ctx.findings.mistake(
      asked,
      'an algorithm begins with the weights of a checkpoint, or not at all: give init_cfg to its networks',
    );
  }
  if (checkpoint?.node.kind !== 'str') return undefined;
  const path = checkpointPath(checkpoint, ctx.findings);
  const { origin } = checkpoint.node;
  const base = asked === undefined ? undefined : childOf(asked, 'prefix');
  const above = base?.node.kind === 'str' ? base.node.value.replace(/\.?$/, '.') : '';
  return (prefix) =>
    dictNode(
      [
        ['type', made('Pretrained', origin)],
        ['checkpoint', path],
        ['prefix', made(`${above}${prefix}`, origin)],
      ],
      origin,
    );
}

function dropReplaced({ findings }: Context, fields: Fields): void {
  const ckpt = fields.get('teacher_ckpt');
  if (ckpt !== undefined)
    findings.note(ckpt, 'left out: the checkpoint of the whole algorithm has the teacher, and is loaded over it');
}

/** Batches are mixed where the preprocessor in use says so. */
function noteUnused({ findings }: Context, networks: readonly { network: Network }[]): void {
  for (const { network } of networks) {
    if (network.augments === undefined) continue;
    findings.note(network.augments, "without effect: the algorithm's data_preprocessor says how batches are mixed");
  }
}

/** In OpenMMLab all networks of an algorithm see what its preprocessor made. */
function noteOther(
  { findings }: Context,
  { place, network }: { place: Place; network: Network },
  used: Place | undefined,
): void {
  const look = (at: Place | undefined): string => JSON.stringify(at === undefined ? null : relevant(at));
  if (network.preprocessor === undefined || look(network.preprocessor) === look(used)) return;
  findings.note(
    place,
    'its own data_preprocessor is another one: as in OpenMMLab, it sees the images as the student does; give it `views` to change that',
  );
}

function relevant(place: Place): unknown {
  if (place.node.kind !== 'dict') return null;
  const plain = toPlain(place.node) as Record<string, unknown>;
  const entries = Object.entries(plain).map(([key, value]) => [camelKey(key), value] as const);
  const { mean = null, std = null, toRgb, bgrToRgb, rgbToBgr } = Object.fromEntries(entries);
  return { mean, std, turned: [toRgb, bgrToRgb, rgbToBgr].includes(true) };
}
