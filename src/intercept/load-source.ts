// What the load hook does with one module, whichever thread it runs in.
import { notAModule } from './hooks.ts';
import type { Failure } from './hooks.ts';
import { isNamed } from './named-modules.ts';
import type { NamedModules } from './named-modules.ts';
import { moduleKey } from './published.ts';
import { stripTypes } from './strip-types.ts';
import { transform } from './transform.ts';

interface Loaded {
  format?: string | null | undefined;
  source?: string | ArrayBuffer | NodeJS.TypedArray | undefined;
}

/** `loaded` as the next hook gave it, or with its source transformed. A module that cannot be is left as it is and reported. */
export function loadSource<T extends Loaded>(
  url: string,
  loaded: T,
  named: NamedModules,
  report: (failure: Failure) => void,
): T {
  const key = moduleKey(url);
  if (!isNamed(named, key)) return loaded;
  const { format, source } = loaded;
  const fail = (reason: string): T => {
    report({ key, reason });
    return loaded;
  };
  if (format?.startsWith('commonjs') === true) return fail(notAModule);
  if (format?.startsWith('module') !== true || source === undefined) return loaded;
  const text = typeof source === 'string' ? source : new TextDecoder().decode(source);
  const script = format === 'module-typescript' ? stripTypes(text) : text;
  const result = transform(script, key);
  if ('failure' in result) {
    const typed = /\.m?ts$/.test(key) ? ' (is tsx registered before the load hook? it has to be)' : '';
    return fail(`its text could not be read: ${result.failure}${typed}`);
  }
  return { ...loaded, format: 'module', source: result.code };
}
