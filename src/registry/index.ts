// Names for things that configs build.
export { entry, Registry } from './registry.ts';
export type { About, ConfigOf, Entry, Table, TypedConfig, UserEntries } from './registry.ts';
export type { OptionsOf, SettingsOf } from './options.ts';
export { checkOptions, mistakesOf, validate } from './validate.ts';
