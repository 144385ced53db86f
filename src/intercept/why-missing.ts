// Why a module has published nothing, and what to do about it.
import type * as Inspector from 'node:inspector';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { RetortError } from '../errors.ts';
import { notAModule } from './load-module.ts';
import { moduleKey } from './module-resolution.ts';
import { isNamed } from './named-modules.ts';
import { allPublished } from './published.ts';
import { registeredHooks } from './register-taps.ts';

export interface Missing {
  error: RetortError;
  /** It may still be loaded, and then publishes. */
  later: boolean;
}

export function whyMissing(source: string, key: string): Missing {
  const path = fileURLToPath(key);
  const hooks = registeredHooks();
  const loaded = isLoaded(key);
  const failure = hooks.flatMap((hook) => hook.failures()).findLast((one) => one.key === key);
  const naming = hooks.some((hook) => isNamed(hook.named, key));
  const say = (what: string, help: string, later = false): Missing => ({
    error: new RetortError(`"${source}": ${what}`, { code: 'invalid-state', help }),
    later,
  });

  if (hooks.length === 0) {
    if (process.env['VITEST'] !== undefined || allPublished().length > 0) return underVite(say, path, loaded);
    return say(
      `the load hook that makes functions of modules tappable is not registered`,
      `start with \`RETORT_TAPS=${path} node --import retort-kd/intercept/register ...\`, call registerTaps({ modules: [...] }) before the module is imported, or use the command \`retort\`; a method can also be named by { class, method }`,
    );
  }
  if (!naming) {
    const names = hooks.flatMap((hook) => hook.named.given).join(', ');
    return say(
      `${path} is not among the modules that may be tapped (${names})`,
      `name it in RETORT_TAPS or in registerTaps({ modules: [...] })`,
    );
  }
  const reason = failure?.reason ?? (isCommonJs(path) ? notAModule : undefined);
  if (reason !== undefined) {
    return say(
      `${path} cannot be tapped, ${reason}`,
      'the module runs unchanged; move the function into another module, or tap a method by { class, method }',
    );
  }
  if (loaded === true) {
    return say(
      `${path} was loaded before the load hook was registered, or has not run to its end`,
      'register the hook first: in a file of its own that is imported first, and then import the module with `await import(...)`; or with `node --import retort-kd/intercept/register`',
    );
  }
  const doubt = loaded === undefined ? ', or was loaded before the load hook was registered' : '';
  return say(`${path} is not loaded yet${doubt}`, 'import it before the function is recorded or delivered', true);
}

type Say = (what: string, help: string, later?: boolean) => Missing;

function underVite(say: Say, path: string, loaded: boolean | undefined): Missing {
  if (loaded === false)
    return say(`${path} is not loaded yet`, 'import it before the function is recorded or delivered', true);
  return say(
    `${path} is loaded, but was not made tappable`,
    'name it in the plugin retortTaps({ modules: [...] }) of the vitest config; a package in node_modules has to be in `server.deps.inline` too',
  );
}

/**
 * Whether the module has run in this thread. Of ES modules Node tells nobody but a debugger, so we ask as one; undefined where Node was built without its inspector.
 */
function isLoaded(key: string): boolean | undefined {
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
function isCommonJs(path: string): boolean {
  return createRequire(import.meta.url).cache[path] !== undefined;
}
