// Registers the load hook with Node, and knows which are registered.
import nodeModule from 'node:module';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';

import type { HookData } from './hook-thread.ts';
import { loadSource, loadTyped } from './load-module.ts';
import type { Failure } from './load-module.ts';
import { nameModules } from './named-modules.ts';
import type { NamedModules, TapHookOptions } from './named-modules.ts';
import { shared } from './tap-stack.ts';

/** `module.registerHooks` of Node 22.15 and later, as far as it is used here. */
type RegisterHooks = (hooks: {
  load: (url: string, context: object, nextLoad: NextLoad) => ReturnType<NextLoad>;
}) => unknown;
type NextLoad = (url: string, context: object) => { format?: string | null; source?: string };

/**
 * Makes functions of the named modules tappable when they are loaded, from now on. Other modules are loaded as they are.
 * Call it before the modules are imported, and after tsx (or another hook that makes JavaScript) is registered: the hook
 * registered last is outside and sees what the others made. Called again, it names further modules.
 * @throws {RetortError} when a named module does not exist
 */
export function registerTaps(options: TapHookOptions): void {
  const named = nameModules(options, 'registerTaps');
  const { registerHooks } = nodeModule as { registerHooks?: RegisterHooks };
  registeredHooks().push({
    named,
    failures: registerHooks === undefined ? registerInThread(named) : registerHere(named, registerHooks),
  });
}

function registerHere(named: NamedModules, registerHooks: RegisterHooks): () => readonly Failure[] {
  const failures: Failure[] = [];
  registerHooks({
    load: (url, context, nextLoad) =>
      loadSource(url, loadTyped(url) ?? nextLoad(url, context), named, (failure) => failures.push(failure)),
  });
  return () => failures;
}

function registerInThread(named: NamedModules): () => readonly Failure[] {
  const { port1: here, port2: port } = new MessageChannel();
  here.unref();
  // Each registration needs an instance of the hook's module, which a query makes.
  const file = `./hook-thread.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}?${registeredHooks().length}`;
  nodeModule.register<HookData>(file, { parentURL: import.meta.url, data: { named, port }, transferList: [port] });
  const failures: Failure[] = [];
  return () => {
    for (let next = receiveMessageOnPort(here); next !== undefined; next = receiveMessageOnPort(here)) {
      failures.push(next.message as Failure);
    }
    return failures;
  };
}

export interface RegisteredHook {
  readonly named: NamedModules;
  /** The failures since it was registered. */
  failures(): readonly Failure[];
}

/** The hooks of this process, the first registered first. */
export function registeredHooks(): RegisteredHook[] {
  return shared<RegisteredHook[]>('tap-hooks', () => []);
}
