// Which modules have run in this thread already, for errors. Of ES modules Node tells nobody but a debugger, so we ask as one.
import type * as Inspector from 'node:inspector';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

import { moduleKey } from './published.ts';

/** Whether the module is loaded; undefined where Node was built without its inspector. */
export function isLoaded(key: string): boolean | undefined {
  let found = false;
  try {
    const { Session } = createRequire(import.meta.url)('node:inspector') as typeof Inspector;
    const session = new Session();
    session.connect();
    try {
      session.on('Debugger.scriptParsed', ({ params }) => {
        const url = params.url.startsWith('/') ? pathToFileURL(params.url).href : params.url;
        if (moduleKey(url) === key) found = true;
      });
      session.post('Debugger.enable');
      session.post('Debugger.disable');
    } finally {
      session.disconnect();
    }
  } catch {
    return undefined;
  }
  return found;
}

/** Whether the file was loaded as CommonJS, by `require` or by `import` of it. */
export function isCommonJs(path: string): boolean {
  return createRequire(import.meta.url).cache[path] !== undefined;
}
