// `dict(type='KLDivergence', loss_weight=3)` -> `{ type: 'KLDivergence', lossWeight: 3 }`: one registered thing, its options by
// the schema of its name.
import type { z } from 'zod';

import { isPlain } from '../../check.ts';
import { didYouMean, nearest } from '../../errors.ts';
import { aliasesOf, kindAt } from '../../registry/index.ts';
import { camelKey, kindName, showPath, toPlain } from '../../config/tree/index.ts';
import type { DictNode, TreeNode } from '../../config/tree/index.ts';
import { schemaOf } from './context.ts';
import type { Context, RegistryName } from './context.ts';
import { Fields } from './fields.ts';
import { foreign } from './foreign.ts';
import { lookup } from './lookup.ts';
import { aliases, typeName } from './names.ts';
import type { TypeName } from './names.ts';
import { plainOptions } from './options.ts';
import { dictOf, made, originWithin } from './place.ts';
import type { Place } from './place.ts';

export interface ThingOptions {
  /** How the values of some options are translated, by our name of the option. Default: as plain options. */
  slots?: Readonly<Record<string, (place: Place) => TreeNode>>;
  /** Takes keys that mean something else before the options are read; what it returns is added to them. */
  before?: (fields: Fields, name: string, written: TypeName) => readonly (readonly [string, TreeNode | undefined])[];
  /** The type where none is written. */
  usual?: string;
  /** Our name of it, where that needs more than the name; `undefined`: there is none. */
  rename?: (written: TypeName) => string | undefined;
}

/** The thing in our words. A name that is not registered is a finding, and its options are kept in our spelling. */
export function thing(ctx: Context, place: Place, registry: RegistryName, options: ThingOptions = {}): TreeNode {
  const { findings } = ctx;
  const fields = new Fields(place, findings);
  if (place.node.kind !== 'dict') return place.node;
  const type = fields.get('type');
  const written = type?.node.kind === 'str' ? type.node.value : options.usual;
  const { kind } = ctx.registries[registry];
  if (written === undefined) {
    findings.absent(type ?? place, `"type" must be the name of a ${kind}, got ${kindName(type?.node.kind ?? 'none')}`);
    return plainOptions(place, findings);
  }
  const typed = typeName(written, place);
  const name = options.rename === undefined ? ourName(registry, typed.name) : options.rename(typed);
  const schema = name === undefined ? undefined : schemaOf(ctx, registry, name);
  if (name === undefined || schema === undefined) {
    const near = nearest(typed.name, Object.keys(ctx.registries[registry].entries));
    findings.missing(kind, typed.written, type ?? place, near);
    return foreign(ctx, place);
  }
  const added = options.before?.(fields, name, typed) ?? [];
  const entries = new Map<string, TreeNode>([['type', made(name, type?.node.origin ?? place.node.origin)]]);
  const shape = shapeOf(schema);
  const spelled = new Map<string, string>();
  for (const [key, value] of fields.rest()) {
    const known = shape !== undefined && Object.hasOwn(shape, key) ? key : camelKey(key);
    const ours = lookup(aliasesOf(schema), known) ?? known;
    const before = spelled.get(ours);
    if (before !== undefined) {
      findings.mistake(value, `"${before}" and "${key}" are one option of ${name}`);
      continue;
    }
    spelled.set(ours, key);
    if (shape !== undefined && !Object.hasOwn(shape, ours)) {
      findings.mistake(
        value,
        `unknown option "${key}" of ${name}; ${didYouMean(key, Object.keys(shape).map(snakeKey))}`,
      );
      continue;
    }
    if (value.node.kind === 'none' && lookup(shape ?? {}, ours)?.safeParse(null).success === false) continue; // None: the default
    entries.set(ours, lookup(options.slots ?? {}, ours)?.(value) ?? plainOptions(value, findings));
  }
  for (const [key, node] of added) if (node !== undefined) entries.set(key, node);
  const node: DictNode = { kind: 'dict', value: entries, origin: place.node.origin };
  checkValues(ctx, node, schema, { name, place });
  return node;
}

/** A thing that is put together here: `entries` are in our words already. */
export function madeThing(
  ctx: Context,
  registry: RegistryName,
  name: string,
  { place, entries = [] }: { place: Place; entries?: readonly (readonly [string, TreeNode | undefined])[] },
): DictNode {
  const { origin } = place.node;
  const node = dictOf([['type', made(name, origin)], ...entries], origin);
  const schema = schemaOf(ctx, registry, name);
  if (schema === undefined) ctx.findings.missing(ctx.registries[registry].kind, name, place);
  else checkValues(ctx, node, schema, { name, place });
  return node;
}

function ourName(registry: RegistryName, name: string): string {
  return lookup(aliases[registry] ?? {}, name) ?? name;
}

/** Checks the values against the schema; what is wrong is a mistake where it is written. */
function checkValues(
  { findings }: Context,
  node: DictNode,
  schema: z.ZodType,
  { name, place }: { name: string; place: Place },
): void {
  const { type: _type, ...plain } = toPlain(node) as Record<string, unknown>;
  const result = schema.safeParse(plain, { reportInput: true });
  if (result.success) return;
  for (const issue of result.error.issues) {
    if (issue.code === 'unrecognized_keys') continue; // said already
    // A thing without a type has been said where it is translated.
    if (isPlain(issue.input) && kindAt(schema, plain, issue.path) !== undefined) continue;
    const at: Place = { ...place, node: { ...node, origin: originWithin(node, issue.path) } };
    const option = issue.path.map((part) => snakeKey(String(part)));
    const got = issue.input === undefined ? 'nothing' : short(JSON.stringify(issue.input));
    const text = issue.message.replace(/^Invalid input: /, '');
    findings.mistake(at, `${name}${option.length === 0 ? '' : ` ${showPath(option)}`}: ${text}, got ${got}`);
  }
}

function short(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** The options of an object schema. */
function shapeOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> | undefined {
  const { def, shape } = schema as unknown as {
    def?: { innerType?: z.ZodType; in?: z.ZodType };
    shape?: Record<string, z.ZodType>;
  };
  const inner = def?.innerType ?? def?.in;
  return inner === undefined ? shape : shapeOf(inner);
}

/** `lossWeight` -> `loss_weight`, as the reader of a Python config would write it. */
function snakeKey(name: string): string {
  return /^[a-z][A-Za-z0-9]*$/.test(name) ? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : name;
}
