// What OpenMMLab configs write in double braces: `{{ _base_.x.y }}`, `{{ fileDirname }}` and its like, `{{$NAME:default}}`.
// They are read where they stand, as values; no text is pasted into the program.
import { basename, dirname, extname } from 'node:path';

import { errorAt } from '../../config/tree/index.ts';
import type { Origin } from '../../config/tree/index.ts';

/** A placeholder outside of strings. */
export type Placeholder =
  | { readonly kind: 'base'; readonly keys: readonly string[] }
  | { readonly kind: 'env'; readonly name: string; readonly fallback: string };

/** What placeholders are filled from. */
export interface Surroundings {
  /** The whole path of the config file. */
  readonly path: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

// No two parts of these patterns can match the same blanks, so that a failure takes linear time.
const bare = new RegExp(
  String.raw`\{\{[ \t]*(?:_base_\.([\w.]+)[ \t]*|\$[ \t]*(\w+)[ \t]*:([^'"{}\n]*)|(['"])[ \t]*\$[ \t]*(\w+)[ \t]*:([^'"{}\n]*)\4[ \t]*)\}\}`,
  'y',
);
const quotedBase = /\{\{\s*_base_\.([\w.]+)\s*\}\}/;
const quotedFile = /\{\{\s*(fileDirname|fileBasename|fileBasenameNoExtension|fileExtname)\s*\}\}/g;
const quotedEnv = /\{\{\s*\$\s*(\w+)\s*:([^{}]*)\}\}/g;
const secret = /secret|token|passw|credential|private|api_?key|access_?key/i;

/** The placeholder that begins at an offset, if one does. */
export function placeholderAt(text: string, offset: number): { placeholder: Placeholder; end: number } | undefined {
  bare.lastIndex = offset;
  const [whole, path, name, fallback, , quotedName, quotedFallback] = bare.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const end = offset + whole.length;
  if (path !== undefined) return { placeholder: { kind: 'base', keys: path.split('.') }, end };
  const placeholder = {
    kind: 'env',
    name: (name ?? quotedName)!,
    fallback: (fallback ?? quotedFallback)!.trim(),
  } as const;
  return { placeholder, end };
}

/** The keys of a string that is `{{ _base_.x.y }}` and nothing else. */
export function wholeBasePath(text: string): readonly string[] | undefined {
  const match = quotedBase.exec(text);
  return match !== null && match[0].length === text.length ? match[1]!.split('.') : undefined;
}

/** Surroundings, and how to object to a string that grows too long. */
export interface FillOptions extends Surroundings {
  origin: Origin;
  /** Called with the length so far whenever the string has grown; throws to stop it. */
  grown(length: number): void;
}

/** A string with its placeholders filled in. @throws {RetortError} for `{{ _base_.x }}` in the midst of it. */
export function fillString(text: string, { path, env, origin, grown }: FillOptions): string {
  if (quotedBase.test(text)) {
    throw errorAt(origin, '{{ _base_... }} within a string', 'write it without quotes, as the whole value');
  }
  const parts: Readonly<Record<string, string>> = {
    fileDirname: dirname(path),
    fileBasename: basename(path),
    fileBasenameNoExtension: basename(path, extname(path)),
    fileExtname: extname(path),
  };
  let length = 0;
  const add = (part: string): string => {
    length += part.length;
    grown(length);
    return part;
  };
  return text
    .replace(quotedFile, (_, name: string) => add(parts[name]!.replaceAll('\\', '/')))
    .replace(quotedEnv, (_, name: string, fallback: string) => add(readEnv(name, fallback.trim(), env, origin)));
}

/**
 * An environment variable, or the default. Values end up in printed configs and in run folders, so that names that look like
 * secrets (`..._TOKEN`, `..._SECRET`, `PASSWORD`) are refused.
 */
export function readEnv(name: string, fallback: string, env: Surroundings['env'], origin: Origin): string {
  if (secret.test(name)) throw errorAt(origin, `the environment variable ${name} looks like a secret`);
  return (Object.hasOwn(env, name) ? env[name] : undefined) ?? fallback;
}
