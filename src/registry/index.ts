// Names for things that configs build.
export { findMistakes, kindAt, optionsIn, replaceTyped } from './check.ts';
export type { ConfigOptionsOf, Known, Mistake, Option, Path, Tables } from './check.ts';
export { Deferred, entriesOf, entry, Registry } from './registry.ts';
export { count, optionsAt, pair, rule } from './options.ts';
export type { Explained, OptionsFrom, SettingsFrom } from './options.ts';
export type {
  About,
  ConfigOf,
  ConfigsOf,
  EntriesOf,
  Entry,
  OptionsOf,
  ProductOf,
  Table,
  TableOf,
  TypedConfig,
  UserEntries,
} from './registry.ts';
export {
  addressTo,
  aliased,
  aliasesOf,
  defOf,
  descriptionOf,
  kindOf,
  pathTo,
  readsOf,
  typedOf,
  unwrapped,
} from './typed.ts';
export type { Reads } from './typed.ts';
export { checkOptions, mistakesOf, readJsonAs, validate } from './validate.ts';
