// How another library names the tensors of a network that Retort has under OpenMMLab's names: pairs of patterns, read both ways.
import type { Module } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';

/** Whose names: those of torchvision's, timm's or Hugging Face transformers' state dicts. Retort's own are OpenMMLab's. */
export type Convention = 'torchvision' | 'timm' | 'huggingface';

/** The shapes of a state dict, by name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** How the numbers of a tensor differ between both sides, where they do: another shape, or another order of channels. */
export interface TensorChange {
  toOurs(theirs: Tensor): Tensor;
  toTheirs(ours: Tensor): Tensor;
}

/**
 * `[ours, theirs]`. In both, `{i}`, `{j}`, ... stand for whole numbers, `{i+1}` for one more, `{*}` for the rest of a name (not empty).
 * Several of theirs are stacked along the first axis, in equal parts, such as query, key and value.
 *
 * @example
 * ```ts
 * const pairs: NamePair[] = [
 *   ['backbone.layer{i+1}.{j}.conv{k+1}.{*}', 'resnet.encoder.stages.{i}.layers.{j}.layer.{k}.convolution.{*}'],
 *   ['head.fc.{*}', 'classifier.1.{*}'],
 * ];
 * ```
 */
export type NamePair = readonly [ours: string, theirs: string | readonly string[], change?: TensorChange];

/** The names of one family of networks in one library. */
export interface NameTable {
  /** As people call it: `ResNet`. */
  readonly family: string;
  /** Which of several, where numbers or spellings differ: `VGG-16`, `before 0.8`. */
  readonly variant?: string;
  readonly convention: Convention;
  /** A package whose names these are, where it is another than the convention's library, whose networks it has. */
  readonly library?: string;
  /** The first pair that fits a name counts. */
  readonly pairs: readonly NamePair[];
  /** Patterns of theirs that have no counterpart, such as `layers.{i}.attn.relative_position_index`. */
  readonly ignored?: readonly string[];
  /** Patterns of ours that have no counterpart there. */
  readonly dropped?: readonly string[];
  /** Where no network tells, another table that knows all the names as well is taken. */
  readonly givesWay?: boolean;
  /**
   * Whether a state dict can be of this family, where names alone do not say it: two families whose tensors have the same names here.
   * @param shapes of the state dict under our names, `backbone.` included
   */
  fits?(shapes: Shapes): boolean;
  /**
   * What the library's network computes otherwise than one of ours with the same names and shapes, and which options make them equal;
   * undefined where they are.
   */
  differs?(network: Module): string | undefined;
}

/** What one of our tensors is made of. */
export interface Source {
  readonly ours: string;
  /** Its names on the other side, in the order of the axis they are stacked on; one as a rule. */
  readonly theirs: readonly string[];
  readonly change: TensorChange | undefined;
}

/** A table whose patterns can be matched. */
export interface CompiledTable {
  /** Which of our tensors one of theirs belongs to; null for one that is ignored, undefined for one the table does not know. */
  fromTheirs(name: string): Source | null | undefined;
  /** What one of our tensors is on the other side; null for one that is dropped, undefined for one the table does not know. */
  fromOurs(name: string): Source | null | undefined;
}

const compiled = new WeakMap<NameTable, CompiledTable>();

/** The matchers of a table, made once. */
export function compileTable(table: NameTable): CompiledTable {
  const known = compiled.get(table);
  if (known !== undefined) return known;
  const pairs = table.pairs.map(([ours, theirs, change]) => ({
    ours: compilePattern(ours),
    theirs: (typeof theirs === 'string' ? [theirs] : theirs).map(compilePattern),
    change,
  }));
  const ignored = (table.ignored ?? []).map(compilePattern);
  const dropped = (table.dropped ?? []).map(compilePattern);
  const made: CompiledTable = {
    fromTheirs(name) {
      for (const { ours, theirs, change } of pairs) {
        for (const pattern of theirs) {
          const numbers = match(pattern, name);
          if (numbers === undefined) continue;
          return { ours: filled(ours, numbers), theirs: theirs.map((one) => filled(one, numbers)), change };
        }
      }
      return ignored.some((pattern) => match(pattern, name) !== undefined) ? null : undefined;
    },
    fromOurs(name) {
      for (const { ours, theirs, change } of pairs) {
        const numbers = match(ours, name);
        if (numbers === undefined) continue;
        return { ours: name, theirs: theirs.map((one) => filled(one, numbers)), change };
      }
      return dropped.some((pattern) => match(pattern, name) !== undefined) ? null : undefined;
    },
  };
  compiled.set(table, made);
  return made;
}

/** The values of a pattern's variables in a name that fits it. */
type Values = Readonly<Record<string, string | number>>;

interface Pattern {
  readonly text: string;
  /** What each name begins with: looked at before the expression is run. */
  readonly start: string;
  readonly expression: RegExp;
  /** By how much the number in a name exceeds the variable. */
  readonly offsets: Readonly<Record<string, number>>;
}

const rest = 'rest';
const place = /\{(?:\*|([a-z]+)(?:\+(\d+))?)\}/g;

function compilePattern(text: string): Pattern {
  const offsets: Record<string, number> = {};
  const pieces: string[] = [];
  let from = 0;
  for (const { 0: whole, 1: variable, 2: offset = '0', index } of text.matchAll(place)) {
    pieces.push(escaped(text.slice(from, index)));
    from = index + whole.length;
    if (variable === undefined) pieces.push(`(?<${rest}>.+)`);
    else if (Object.hasOwn(offsets, variable)) pieces.push(String.raw`\k<${variable}>`);
    else {
      offsets[variable] = Number(offset);
      pieces.push(String.raw`(?<${variable}>\d+)`);
    }
  }
  pieces.push(escaped(text.slice(from)));
  return { text, start: text.split('{', 1)[0]!, expression: new RegExp(`^${pieces.join('')}$`), offsets };
}

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);

function match(pattern: Pattern, name: string): Values | undefined {
  if (!name.startsWith(pattern.start)) return undefined;
  const found = pattern.expression.exec(name);
  if (found === null) return undefined;
  const values: Record<string, string | number> = {};
  for (const [variable, text] of Object.entries(found.groups ?? {})) {
    if (variable === rest) {
      values[rest] = text;
      continue;
    }
    const value = Number(text) - pattern.offsets[variable]!;
    if (value < 0) return undefined;
    values[variable] = value;
  }
  return values;
}

function filled(pattern: Pattern, values: Values): string {
  return pattern.text.replaceAll(place, (_whole, variable?: string, offset?: string) =>
    variable === undefined ? String(values[rest]) : String(Number(values[variable]) + Number(offset ?? 0)),
  );
}
