// What is known of the load hooks that are registered in this process, for errors.
import type { NamedModules } from './named-modules.ts';
import { shared } from './shared.ts';

/** A module that was named and could not be transformed. */
export interface Failure {
  key: string;
  reason: string;
}

/** The reason, for CommonJS. */
export const notAModule =
  'it is a CommonJS module: only ES modules can be (put "type": "module" into its package.json, or name it .mjs or .mts)';

export interface RegisteredHook {
  readonly named: NamedModules;
  /** The failures since it was registered. */
  failures(): readonly Failure[];
}

/** The hooks of this process, the first registered first. */
export function registeredHooks(): RegisteredHook[] {
  return shared<RegisteredHook[]>('tap-hooks', () => []);
}
