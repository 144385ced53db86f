// Makes the functions of a module tappable: each top-level `const` becomes `let  `, and one line at the end publishes closures
// that read and write the module's top-level bindings, which are read from its syntax tree. Lines and columns stay, so source maps hold.
import { parse } from 'acorn';
import type {
  AnonymousClassDeclaration,
  AnonymousFunctionDeclaration,
  ClassDeclaration,
  Declaration,
  ExportDefaultDeclaration,
  FunctionDeclaration,
  Identifier,
  ImportAttribute,
  Literal,
  Pattern,
  Program,
  VariableDeclaration,
} from 'acorn';

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

/** A name that the module has from another one; `specifier` is the text after `from`, attributes included. */
interface ReExport {
  /** The name it is exported under; `undefined` for all of them, `export * from`. */
  exported: string | undefined;
  /** The name in the other module; `undefined` for all of them as one object, `export * as name from`. */
  imported: string | undefined;
  specifier: string;
}

/** What a module declares at its top level. */
interface Declarations {
  /** Bindings that can be assigned to once `const` is `let`. */
  assignable: Set<string>;
  /** Bindings that cannot: `using`. */
  fixed: Set<string>;
  /** Local names of imports. */
  imported: Set<string>;
  /** Exported name -> local name, where both differ or the local one is an import. */
  exports: Map<string, string>;
  reExports: ReExport[];
  /** Where the keyword `const` begins, for each declaration. */
  constants: number[];
  /** `export default name`, which exports a copy of the binding's value. */
  defaultCopy: { start: number; end: number; name: string } | undefined;
}

function declarationsOf(program: Program): Declarations {
  const found: Declarations = {
    assignable: new Set(),
    fixed: new Set(),
    imported: new Set(),
    exports: new Map(),
    reExports: [],
    constants: [],
    defaultCopy: undefined,
  };
  for (const node of program.body) {
    switch (node.type) {
      case 'ImportDeclaration':
        for (const { local } of node.specifiers) found.imported.add(local.name);
        break;
      case 'ExportNamedDeclaration': {
        if (node.declaration) declare(node.declaration, found);
        const specifier = node.source ? from(node.source, node.attributes) : undefined;
        for (const { local, exported } of node.specifiers) {
          if (specifier !== undefined) {
            found.reExports.push({ exported: nameOf(exported), imported: nameOf(local), specifier });
          } else {
            found.exports.set(nameOf(exported), nameOf(local));
          }
        }
        break;
      }
      case 'ExportAllDeclaration': {
        const exported = node.exported ? nameOf(node.exported) : undefined;
        found.reExports.push({ exported, imported: undefined, specifier: from(node.source, node.attributes) });
        break;
      }
      case 'ExportDefaultDeclaration':
        declareDefault(node, found);
        break;
      case 'VariableDeclaration':
      case 'FunctionDeclaration':
      case 'ClassDeclaration':
        declare(node, found);
        break;
      default:
    }
  }
  return found;
}

function declare(node: Declaration, found: Declarations): void {
  if (node.type !== 'VariableDeclaration') {
    found.assignable.add(node.id.name);
    return;
  }
  const names = node.declarations.flatMap(({ id }) => [...namesIn(id)]);
  const { kind }: { kind: VariableDeclaration['kind'] } = node;
  if (kind === 'const') found.constants.push(node.start);
  const assignable = kind === 'const' || kind === 'let' || kind === 'var';
  for (const name of names) (assignable ? found.assignable : found.fixed).add(name);
}

function declareDefault(node: ExportDefaultDeclaration, found: Declarations): void {
  const { declaration } = node;
  if (isNamed(declaration)) {
    found.assignable.add(declaration.id.name);
    found.exports.set('default', declaration.id.name);
  } else if (declaration.type === 'Identifier') {
    found.defaultCopy = { start: node.start, end: node.end, name: declaration.name };
  }
}

function isNamed(node: ExportDefaultDeclaration['declaration']): node is FunctionDeclaration | ClassDeclaration {
  const declares = node.type === 'FunctionDeclaration' || node.type === 'ClassDeclaration';
  return declares && (node as AnonymousFunctionDeclaration | AnonymousClassDeclaration).id !== null;
}

function* namesIn(pattern: Pattern): Generator<string> {
  switch (pattern.type) {
    case 'Identifier':
      yield pattern.name;
      break;
    case 'ObjectPattern':
      for (const property of pattern.properties) {
        yield* namesIn(property.type === 'RestElement' ? property.argument : property.value);
      }
      break;
    case 'ArrayPattern':
      for (const element of pattern.elements) if (element !== null) yield* namesIn(element);
      break;
    case 'RestElement':
      yield* namesIn(pattern.argument);
      break;
    case 'AssignmentPattern':
      yield* namesIn(pattern.left);
      break;
    default:
  }
}

function nameOf(node: Identifier | Literal): string {
  return node.type === 'Identifier' ? node.name : String(node.value);
}

/** What stands after `from`: the module's name and, where there are some, `with { ... }`. */
function from(module: Literal, attributes: readonly ImportAttribute[]): string {
  if (attributes.length === 0) return String(module.raw);
  return `${module.raw} with { ${attributes.map(({ key, value }) => `${JSON.stringify(nameOf(key))}: ${value.raw}`).join(', ')} }`;
}
