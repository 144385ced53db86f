// What a config's `imports` add: files whose default export has entries by kind, `{ loss: { MyLoss: entry(...) } }`. Where the config
// names one of them, the thing is built before the rest, and the config goes on with the built thing in its place.
import { didYouMean, RetortError } from '../errors.ts';
import { isPlain, replaceTyped } from '../registry/index.ts';
import type { Mistake, Table, Tables } from '../registry/index.ts';
import { experimentSchema } from './experiment.ts';
import type { CheckedConfig } from './experiment.ts';
import { runScript, shown } from './run-script.ts';

/** How kinds were spelled once; still read. */
const oldKinds: Readonly<Record<string, string>> = { 'data set': 'dataset', 'head loss': 'headLoss' };

export interface LoadedEntries {
  own: Tables;
  /** What is wrong with the files. */
  mistakes: Mistake[];
}

/** Runs the files and takes their entries. Nothing is thrown: each file that is wrong is a mistake. */
export async function loadUserEntries(files: readonly string[], tables: Tables): Promise<LoadedEntries> {
  const own: Record<string, Table<unknown>> = {};
  const mistakes: Mistake[] = [];
  for (const [i, file] of files.entries()) {
    try {
      for (const [kind, table] of Object.entries(await entriesIn(file, Object.keys(tables)))) {
        own[kind] = { ...own[kind], ...table };
      }
    } catch (error) {
      if (!(error instanceof RetortError)) throw error;
      mistakes.push({ path: ['imports', i], text: `imports: ${error.message.replaceAll('\n', '\n    ')}` });
    }
  }
  return { own, mistakes };
}

async function entriesIn(file: string, kinds: readonly string[]): Promise<Record<string, Table<unknown>>> {
  const name = shown(file);
  const example = 'export default { loss: { MyLoss: entry(schema, build, { summary }) } }';
  const added = await runScript(file, { name, example });
  if (!isPlain(added)) {
    throw new RetortError(`${name}: the default export is no table of entries`, { help: `write \`${example}\`` });
  }
  const entries = Object.entries(added).map(([spelled, table]) => {
    const kind = Object.hasOwn(oldKinds, spelled) ? oldKinds[spelled]! : spelled;
    if (kinds.length > 0 && !kinds.includes(kind)) {
      throw new RetortError(`${name} adds entries of "${spelled}", which is no kind; ${didYouMean(spelled, kinds)}`, {
        help: `kinds are ${kinds.join(', ')}`,
      });
    }
    const strange = isPlain(table) ? Object.entries(table).find(([, one]) => !isEntry(one))?.[0] : '';
    if (strange !== undefined) {
      throw new RetortError(`${name}: ${kind}${strange === '' ? '' : `.${strange}`} is no entry`, {
        help: `write \`${example}\``,
      });
    }
    return [kind, table as Table<unknown>] as const;
  });
  return Object.fromEntries(entries);
}

function isEntry(value: unknown): boolean {
  const { schema, build } = (value ?? {}) as { schema?: unknown; build?: unknown };
  return typeof schema === 'object' && schema !== null && typeof build === 'function';
}

/** Tables with users' entries among them; those of the same name replace. */
export function withEntries(tables: Tables, own: Tables): Tables {
  const kinds = new Set([...Object.keys(tables), ...Object.keys(own)]);
  return Object.fromEntries([...kinds].map((kind) => [kind, { ...tables[kind], ...own[kind] }]));
}

/** What works on built networks is built with them. */
const builtLater = new Set(['optimizer', 'scheduler']);

/** The config with everything built that users' entries name, from the inside out. */
export function buildUserEntries(config: CheckedConfig, own: Tables, tables: Tables): CheckedConfig {
  if (Object.keys(own).length === 0) return config;
  const all = withEntries(tables, own);
  const spot = { schema: experimentSchema, value: config, path: [] };
  return replaceTyped(spot, all, (kind, { type, ...options }, path) => {
    const table = builtLater.has(kind) ? undefined : own[kind];
    const mine =
      typeof type === 'string' && table !== undefined && Object.hasOwn(table, type) ? table[type] : undefined;
    if (mine === undefined) return type === undefined ? options : { type, ...options };
    return mine.build(options, `${path.join('.')} ${String(type)}`);
  }) as CheckedConfig;
}
