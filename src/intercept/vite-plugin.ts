// The load hook under vitest and vite, which load modules by themselves.

import { exists } from '../files.ts';
import { fileKey, moduleKey } from './module-resolution.ts';
import { isNamed, nameModules } from './named-modules.ts';
import type { TapHookOptions } from './named-modules.ts';
import { transform } from './transform.ts';

/** A plugin of Vite, as far as it is used here. */
export interface RetortTapsPlugin {
  name: string;
  enforce: 'post';
  transform(this: { warn(message: string): void }, code: string, id: string): { code: string; map: null } | undefined;
}

/**
 * Makes functions of the named modules tappable in tests: `plugins: [retortTaps({ modules: ['src/heads'] })]`.
 * Packages in `node_modules` are loaded by Node itself, unless `test.server.deps.inline` names them.
 * @throws {RetortError} when a named module does not exist
 */
export function retortTaps(options: TapHookOptions): RetortTapsPlugin {
  const named = nameModules(options, 'retortTaps');
  return {
    name: 'retort-taps',
    enforce: 'post',
    transform(code, id) {
      // Ids are paths with queries behind them; `#` and `?` may be part of the path.
      const path = [id, id.replace(/\?[^?]*$/s, ''), moduleKey(id)].find((one) => one.startsWith('/') && exists(one));
      if (path === undefined) return undefined;
      const key = fileKey(path);
      if (!isNamed(named, key)) return undefined;
      const result = transform(code, key);
      if ('code' in result) return { code: result.code, map: null };
      this.warn(`${path} cannot be tapped, its text could not be read: ${result.failure}`);
      return undefined;
    },
  };
}
