// Names for things that configs build.
export { entry, Registry } from './registry.ts';
export type { OptionsFrom, SettingsFrom } from './options.ts';
export type {
  About,
  ConfigOf,
  ConfigsOf,
  Entry,
  OptionsOf,
  ProductOf,
  Table,
  TableOf,
  TypedConfig,
  UserEntries,
} from './registry.ts';
export { checkOptions, mistakesOf, validate } from './validate.ts';
