// What a config's `imports` add: files whose default export has entries by kind, `{ loss: { MyLoss: entry(...) } }`. Where the config
// names one of them, the thing is built here, and the config goes on with the built thing in its place.
import { RetortError } from '../errors.ts';
import { importTapped } from '../intercept/index.ts';
import type { Entry, Table } from '../registry/index.ts';
import { isPlain } from './check-types.ts';
import { registries, registryAt } from './places.ts';
import type { KnownRegistry, UserTables } from './places.ts';

/** @throws {RetortError} for a file that cannot be imported, or whose default export is something else. */
export async function loadUserEntries(files: readonly string[]): Promise<UserTables> {
  const tables: Record<string, Table<unknown>> = {};
  const kinds = Object.values(registries).map((registry) => (registry as KnownRegistry).kind);
  for (const file of files) {
    const { default: added } = (await importTapped(file)) as { default?: unknown };
    if (!isPlain(added)) {
      throw new RetortError(`imports: ${file} has no default export of entries`, {
        help: 'write `export default { loss: { MyLoss: entry(schema, build, { summary }) } }`',
      });
    }
    for (const [kind, table] of Object.entries(added)) {
      if (!kinds.includes(kind)) {
        throw new RetortError(`imports: ${file} adds entries of "${kind}", which is no kind`, {
          help: `kinds are ${[...new Set(kinds)].join(', ')}`,
        });
      }
      tables[kind] = { ...tables[kind], ...(table as Table<unknown>) };
    }
  }
  return tables;
}

/** The config with everything built that users' entries name, from the inside out. */
export function buildUserEntries(config: unknown, own: UserTables, path: readonly string[] = []): unknown {
  if (Array.isArray(config)) return config.map((item, i) => buildUserEntries(item, own, [...path, String(i)]));
  if (!isPlain(config)) return config;
  const inside = Object.fromEntries(
    Object.entries(config).map(([key, item]) => [key, buildUserEntries(item, own, [...path, key])]),
  );
  const { type, ...options } = inside;
  const found = typeof type === 'string' ? mine(path, type, own) : undefined;
  return found === undefined ? inside : found.build(options, `${path.join('.')} ${String(type)}`);
}

function mine(path: readonly string[], type: string, own: UserTables): Entry<unknown> | undefined {
  const registry = registryAt(path);
  // What works on built networks is built with them: see buildExperiment.
  if (registry === undefined || registry === 'optimizers' || registry === 'schedulers') return undefined;
  const table = own[(registries[registry] as KnownRegistry).kind];
  return table !== undefined && Object.hasOwn(table, type) ? table[type] : undefined;
}
