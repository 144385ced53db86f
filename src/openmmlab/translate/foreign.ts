// What is not registered here: kept in our spelling, and every name within it that is not registered either is a finding.
import type { TreeNode } from '../../config/tree/index.ts';
import type { Context, RegistryName } from './context.ts';
import { lookup } from './lookup.ts';
import { typeName } from './names.ts';
import { plainOptions } from './options.ts';
import { childOf, itemsOf } from './place.ts';
import type { Place } from './place.ts';

/** Where the parts of networks are registered. */
const byKey: Readonly<Record<string, RegistryName>> = { backbone: 'backbones', neck: 'necks', head: 'heads' };
/** Under these stand names of layers and initializers, which no registry has. */
const ofLayers = /^(norm|conv|act|init|upsample|plugin|dcn)s?(_cfg)?$/;

export function foreign(ctx: Context, place: Place): TreeNode {
  visit(ctx, place);
  return plainOptions(place, ctx.findings);
}

function visit(ctx: Context, place: Place): void {
  if (place.node.kind === 'list' || place.node.kind === 'tuple') {
    for (const item of itemsOf(place)) visitItem(ctx, item, '');
  } else if (place.node.kind === 'dict') {
    for (const key of place.node.value.keys()) visitItem(ctx, childOf(place, key)!, key);
  }
}

function visitItem(ctx: Context, place: Place, key: string): void {
  if (place.node.kind === 'none' || ofLayers.test(key)) return;
  const type = place.node.kind === 'dict' ? childOf(place, 'type') : undefined;
  if (type?.node.kind === 'str') {
    const { name, written } = typeName(type.node.value, place);
    const registry = place.path.at(-2) === 'recorders' ? 'recorders' : lookup(byKey, key);
    const known = registry !== undefined && Object.hasOwn(ctx.registries[registry].entries, name);
    if (!known)
      ctx.findings.missing(registry === undefined ? wordsOf(place, key) : ctx.registries[registry].kind, written, type);
  }
  visit(ctx, place);
}

/** `anchor_generator` -> `anchor generator`; an item of a list is called after its list. */
function wordsOf({ path }: Place, key: string): string {
  const name = key === '' ? String(path.findLast((part) => typeof part === 'string') ?? 'part') : key;
  return name.replaceAll('_', ' ');
}
