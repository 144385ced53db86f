// The built-in configs as files, for the reader of Python configs, which reads files only: written to a folder of its own while one
// config is read, and gone afterwards.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import { printPython } from '../python/index.ts';
import type { ResolvePackage } from '../python/index.ts';
import type { DictNode, Origin, TreeNode } from '../tree/index.ts';
import { builtinConfig } from './bases/index.ts';

export class BuiltinFiles {
  #folder: string | undefined;
  /** Path of a file -> the name of the built-in config in it. */
  readonly #names = new Map<string, string>();

  /** Finds what is built in. */
  readonly resolve: ResolvePackage = (pkg, path) => {
    const tree = builtinConfig(pkg, path);
    if (tree === undefined) return undefined;
    this.#folder ??= realpathSync(mkdtempSync(join(tmpdir(), 'retort-configs-')));
    const root = join(this.#folder, pkg);
    const file = join(root, path);
    if (!this.#names.has(file)) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, printPython(tree));
      this.#names.set(file, `${pkg}::${path}`);
    }
    return { file, root };
  };

  /** Files without the built-in ones. */
  others(files: readonly string[]): string[] {
    return files.filter((file) => !this.#names.has(file));
  }

  /** The same tree; what comes from a built-in config says so. */
  named(tree: DictNode): DictNode {
    const known = new Map<TreeNode, TreeNode>();
    const visit = (node: TreeNode): TreeNode => {
      const before = known.get(node);
      if (before !== undefined) return before;
      const origin = this.#named(node.origin);
      let copy: TreeNode = node;
      if (node.kind === 'dict') {
        copy = { ...node, origin, value: new Map([...node.value].map(([key, value]) => [key, visit(value)])) };
      } else if (node.kind === 'list' || node.kind === 'tuple')
        copy = { ...node, origin, value: node.value.map(visit) };
      else if (origin !== node.origin) copy = { ...node, origin } as TreeNode;
      known.set(node, copy);
      return copy;
    };
    return this.#names.size === 0 ? tree : (visit(tree) as DictNode);
  }

  #named(origin: Origin): Origin {
    const file = this.#names.get(resolve(origin.file));
    return file === undefined ? origin : { file, line: 0, column: 0 };
  }

  [Symbol.dispose](): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}
