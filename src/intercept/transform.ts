// Makes the functions of a module tappable: each top-level `const` becomes `let  `, and one line at the end publishes closures
// that read and write the module's top-level bindings. Lines and columns stay, so source maps hold.
import { parse } from 'acorn';

import { declarationsOf } from './declarations.ts';
import type { Declarations } from './declarations.ts';

const begin = '(globalThis[Symbol.for("retort-kd.taps")] ??= []).push(';
// In a module that declares a `globalThis` or `Symbol` of its own.
const beginShadowed = begin.replace('globalThis', '(0, eval)("globalThis")').replace('Symbol.', '(0, eval)("Symbol").');

/** @returns the module's text, changed; or why it cannot be */
export function transform(source: string, key: string): { code: string } | { failure: string } {
  if (source.includes(begin) || source.includes(beginShadowed)) return { code: source };
  let declarations: Declarations;
  try {
    const program = parse(source, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true });
    declarations = declarationsOf(program);
  } catch (error) {
    return { failure: (error as Error).message };
  }
  let code = source;
  for (const at of declarations.constants) code = `${code.slice(0, at)}let  ${code.slice(at + 'const'.length)}`;
  const copy = declarations.defaultCopy;
  if (copy !== undefined && (declarations.assignable.has(copy.name) || declarations.imported.has(copy.name))) {
    // `export default f` would export a copy that assignments to `f` do not reach.
    const lines = code.slice(copy.start, copy.end).replaceAll(/[^\r\n]/g, '');
    code = `${code.slice(0, copy.start)}export { ${copy.name} as default };${lines}${code.slice(copy.end)}`;
    declarations.exports.set('default', copy.name);
  }
  return { code: append(code, publication(declarations, key)) };
}

/** Before the comments that stand last, where the one that names the source map is. */
function append(code: string, line: string): string {
  const at = code.search(/\n[ \t]*\/\/[#@][ \t]*sourceMappingURL=[^\n]*\s*$/);
  const text = at < 0 ? code : code.slice(0, at);
  return `${text}\n${line}${at < 0 ? '\n' : code.slice(at)}`;
}

function publication(declarations: Declarations, key: string): string {
  const { assignable, fixed, imported, exports, reExports } = declarations;
  const names = new Set([...assignable, ...fixed, ...imported]);
  const unused = (wanted: string): string => {
    let name = wanted;
    while (names.has(name)) name += '$';
    names.add(name);
    return name;
  };
  const value = unused('$value');
  const bindings = [
    ...[...assignable].map((name) => `["${name}", () => ${name}, (${value}) => { ${name} = ${value}; }]`),
    ...[...fixed].map((name) => `["${name}", () => ${name}]`),
  ];
  const local = [...exports].map(([exported, name]) =>
    imported.has(name) ? `[${JSON.stringify(exported)}, () => ${name}]` : `[${JSON.stringify(exported)}, "${name}"]`,
  );
  const imports: string[] = [];
  const remote = reExports.map(({ exported, imported: wanted, specifier }) => {
    const name = unused('$from');
    const what = wanted === undefined ? `* as ${name}` : `{ ${exportName(wanted)} as ${name} }`;
    imports.push(`import ${what} from ${specifier};`);
    return `[${JSON.stringify(exported ?? '*')}, () => ${name}]`;
  });
  const start = names.has('globalThis') || names.has('Symbol') ? beginShadowed : begin;
  const shown = JSON.stringify(key);
  return `;${imports.join(' ')}${start}{ key: ${shown}, bindings: [${bindings.join(', ')}], exports: [${[...local, ...remote].join(', ')}] });`;
}

function exportName(name: string): string {
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) ? name : JSON.stringify(name);
}
