// The types of addon-cache.mjs.
import type { AddonRecord } from './addon-file.mjs';

export function cacheFolder(env?: NodeJS.ProcessEnv): string | undefined;
export function cachedAddons(env?: NodeJS.ProcessEnv): string[];
export function storeAddon(
  addon: Uint8Array,
  facts: Omit<AddonRecord, 'sha256'>,
  env?: NodeJS.ProcessEnv,
): string | undefined;
