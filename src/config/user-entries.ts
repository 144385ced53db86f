// What a config's `imports` add: files whose default export has entries by kind, `{ loss: { MyLoss: entry(...) } }`, or files without
// one that export classes of networks.
import { isPlain } from '../check.ts';
import { didYouMean, RetortError } from '../errors.ts';
import type { Mistake, Table, Tables } from '../registry/index.ts';
import { networkEntry } from './own-networks.ts';
import type { IsNetwork } from './own-networks.ts';
import { runModule, runScript, shown } from './run-script.ts';

/** How kinds were spelled once; still read. */
const oldKinds: Readonly<Record<string, string>> = { 'data set': 'dataset', 'head loss': 'headLoss' };

export interface LoadedEntries {
  own: Tables;
  /** What is wrong with the files. */
  mistakes: Mistake[];
}

/** Runs the files and takes their entries. Nothing is thrown: each file that is wrong is a mistake. */
export async function loadUserEntries(
  files: readonly string[],
  tables: Tables,
  isNetwork: IsNetwork,
): Promise<LoadedEntries> {
  const own: Record<string, Table<unknown>> = {};
  const mistakes: Mistake[] = [];
  for (const [i, file] of files.entries()) {
    try {
      for (const [kind, table] of Object.entries(await entriesIn(file, Object.keys(tables), isNetwork))) {
        own[kind] = { ...own[kind], ...table };
      }
    } catch (error) {
      if (!(error instanceof RetortError)) throw error;
      mistakes.push({ path: ['imports', i], text: `imports: ${error.message.replaceAll('\n', '\n    ')}` });
    }
  }
  return { own, mistakes };
}

async function entriesIn(
  file: string,
  kinds: readonly string[],
  isNetwork: IsNetwork,
): Promise<Record<string, Table<unknown>>> {
  const name = shown(file);
  const example = 'export default { loss: { MyLoss: entry(schema, build, { summary }) } }';
  const namespace = await runModule(file);
  const networks = Object.entries(namespace).filter(([, one]) => isNetwork(one)) as [string, Network][];
  if (networks.length > 0 && (namespace['default'] === undefined || isNetwork(namespace['default']))) {
    const named = networks.map(([as, made]) => [as === 'default' ? made.name : as, networkEntry(made)]);
    return { model: Object.fromEntries(named) as Table<unknown> };
  }
  const added = await runScript(file, { name, example });
  if (!isPlain(added)) {
    throw new RetortError(`${name}: expected a table of entries as default export`, {
      code: 'invalid-config',
      help: `write \`${example}\``,
    });
  }
  const entries = Object.entries(added).map(([spelled, table]) => {
    const kind = Object.hasOwn(oldKinds, spelled) ? oldKinds[spelled]! : spelled;
    if (kinds.length > 0 && !kinds.includes(kind)) {
      throw new RetortError(
        `${name} adds entries of "${spelled}", which is not a kind; ${didYouMean(spelled, kinds)}`,
        {
          code: 'unknown-name',
          help: `kinds are ${kinds.join(', ')}`,
        },
      );
    }
    const ownEntries = isPlain(table) && kind === 'model' ? withNetworks(table, isNetwork) : table;
    const strange = isPlain(ownEntries) ? Object.entries(ownEntries).find(([, one]) => !isEntry(one))?.[0] : '';
    if (strange !== undefined) {
      throw new RetortError(`${name}: ${kind}${strange === '' ? '' : `.${strange}`} is not an entry`, {
        code: 'invalid-config',
        help: `write \`${example}\``,
      });
    }
    return [kind, ownEntries as Table<unknown>] as const;
  });
  return Object.fromEntries(entries);
}

type Network = Parameters<typeof networkEntry>[0];

/** A table with entries in place of classes of networks. */
function withNetworks(table: Record<string, unknown>, isNetwork: IsNetwork): Record<string, unknown> {
  const entries = Object.entries(table);
  return Object.fromEntries(entries.map(([name, one]) => [name, isNetwork(one) ? networkEntry(one as Network) : one]));
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
