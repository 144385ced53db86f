// What a config's `imports` add: files whose default export has entries by kind, `{ loss: { MyLoss: entry(...) } }`.
import { isPlain } from '../check.ts';
import { didYouMean, RetortError } from '../errors.ts';
import type { Mistake, Table, Tables } from '../registry/index.ts';
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
    const strange = isPlain(table) ? Object.entries(table).find(([, one]) => !isEntry(one))?.[0] : '';
    if (strange !== undefined) {
      throw new RetortError(`${name}: ${kind}${strange === '' ? '' : `.${strange}`} is not an entry`, {
        code: 'invalid-config',
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
