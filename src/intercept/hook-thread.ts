// The load hook in the thread that Node loads modules with; `register-taps.ts` starts it.
import type { InitializeHook, LoadHook } from 'node:module';
import type { MessagePort } from 'node:worker_threads';

import { loadSource, loadTyped } from './load-module.ts';
import type { NamedModules } from './named-modules.ts';

export interface HookData {
  named: NamedModules;
  /** Takes the failures to the main thread. */
  port: MessagePort;
}

let data: HookData | undefined;

export const initialize: InitializeHook<HookData> = (given) => {
  data = given;
};

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = loadTyped(url) ?? (await nextLoad(url, context));
  if (data === undefined) return loaded;
  const { named, port } = data;
  return loadSource(url, loaded, named, (failure) => port.postMessage(failure));
};
