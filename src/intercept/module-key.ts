// From the way people name a module (path, package, URL) to the URL it is known under.
import { isBuiltin } from 'node:module';
import { basename, isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { RetortError, didYouMean } from '../errors.ts';
import { exists } from '../files.ts';
import { fileKey, findModuleFile, neighbours } from './module-file.ts';
import { findPackageModule } from './package-module.ts';

/**
 * The module and what follows the `#` of an address: `./ops.ts#attention`. A `#` in the name of a folder or file is part of the
 * path: a path is no URL.
 */
export function splitAddress(text: string, folder: string): { module: string; name: string | undefined } {
  const hash = text.lastIndexOf('#');
  const isName = hash > 0 && !/[/\\]/.test(text.slice(hash));
  if (!isName || (!text.startsWith('file:') && exists(resolve(folder, text)))) return { module: text, name: undefined };
  return { module: text.slice(0, hash), name: text.slice(hash + 1) };
}

/**
 * @param specifier a path relative to `folder`, a package's module, or a `file:` URL
 * @param asker what the error begins with
 * @throws {RetortError} when there is no such module
 */
export function keyOf(specifier: string, folder: string, asker: string): string {
  const path = specifier.startsWith('file:') ? fileURLToPath(specifier) : resolve(folder, specifier);
  const file = findModuleFile(path);
  if (file !== undefined) return fileKey(file);
  if (isBuiltin(specifier)) {
    throw new RetortError(`${asker}: "${specifier}" is a module of Node itself, which cannot be tapped`, {
      help: 'write a function around what you use of it and tap that',
    });
  }
  const isPath = /^(\.{0,2}\/|file:)/.test(specifier) || isAbsolute(specifier);
  const packaged = isPath ? undefined : findPackageModule(specifier, folder);
  if (packaged !== undefined) return fileKey(packaged);
  const near = neighbours(path);
  throw new RetortError(
    `${asker}: there is no module "${specifier}"${isPath ? '' : `: neither a file below ${folder} nor a package that exports it`}`,
    { help: near.length === 0 ? `looked for ${path}` : `${didYouMean(basename(path), near)} (looked for ${path})` },
  );
}
