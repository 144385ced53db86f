// What the translation of a config has to say: notes on what has no meaning here, mistakes, and names that nobody has registered.
import { ConfigError, placeOf, showOrigin, showPath } from '../../config/tree/index.ts';
import type { Origin } from '../../config/tree/index.ts';
import type { Place } from './place.ts';

/** Something in a config that a reader should know. */
export interface Finding {
  /** Where in the config as it is written, such as `model.teacher.pretrained`. */
  readonly path: string;
  readonly text: string;
  readonly origin: Origin;
}

/** A name of OpenMMLab's registries that there is nothing for here. */
export interface UnknownName {
  /** `loss`, `backbone`, `transform`, `config file`, ... */
  readonly kind: string;
  /** With the package it is from, where the config says so: `mmdet.FPN`. */
  readonly name: string;
  readonly path: string;
  readonly origin: Origin;
  /** Names that there are and that look alike, best first. */
  readonly near: readonly string[];
}

export class Findings {
  readonly notes: Finding[] = [];
  readonly mistakes: Finding[] = [];
  readonly unknown: UnknownName[] = [];
  readonly #said = new Set<string>();
  readonly #complete: boolean;

  /** @param complete whether the config has all its bases: what is not there is a mistake then. */
  constructor({ complete = true }: { complete?: boolean } = {}) {
    this.#complete = complete;
  }

  note(place: Place, text: string): void {
    if (this.#isNew('note', place, text)) this.notes.push(findingAt(place, text));
  }

  mistake(place: Place, text: string): void {
    if (this.#isNew('mistake', place, text)) this.mistakes.push(findingAt(place, text));
  }

  /** Something that should be there is not. */
  absent(place: Place, text: string): void {
    if (this.#complete) this.mistake(place, text);
  }

  missing(kind: string, name: string, place: Place, near: readonly string[] = []): void {
    if (!this.#isNew('unknown', place, `${kind} ${name}`)) return;
    this.unknown.push({ kind, name, near, path: showPath(place.path), origin: place.node.origin });
  }

  /** One value may stand at several places (`test_dataloader = val_dataloader`): once is enough. */
  #isNew(what: string, { node, path }: Place, text: string): boolean {
    const { origin } = node;
    const where = origin.line === 0 ? showPath(path) : showOrigin(origin);
    const key = `${what} ${where} ${text}`;
    return !this.#said.has(key) && this.#said.add(key) !== undefined;
  }
}

function findingAt({ path, node }: Place, text: string): Finding {
  return { path: showPath(path), text, origin: node.origin };
}

/** `file:line:column: path: text` */
export function showFinding({ path, text, origin }: Finding): string {
  return `${showOrigin(origin)}: ${path === '' ? '' : `${path}: `}${text}`;
}

/** `file:line:column: path: there is no neck "FPN" here` */
export function showUnknown(unknown: UnknownName): string {
  return showFinding(asFinding(unknown));
}

function asFinding({ kind, name, near, path, origin }: UnknownName): Finding {
  const hint = near.length === 0 ? '' : `; did you mean ${near.map((one) => `"${one}"`).join(' or ')}?`;
  return { path, text: `there is no ${kind} "${name}" here${hint}`, origin };
}

/** @throws {ConfigError} that lists all mistakes and unknown names, if there are any. */
export function requireClean(
  what: string,
  found: { readonly mistakes: readonly Finding[]; readonly unknown: readonly UnknownName[] },
): void {
  const all = [...found.mistakes, ...found.unknown.map(asFinding)];
  if (all.length === 0) return;
  throw new ConfigError(
    `${what}:\n    ${all.map(showFinding).join('\n    ')}`,
    all.map(({ path, text, origin }) => ({ message: text, path, ...placeOf(origin) })),
  );
}
