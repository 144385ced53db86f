// Reads the names of a class's fields from its text: they are on no prototype.
import { parseExpressionAt } from 'acorn';
import type { ClassExpression } from 'acorn';

/** Fields that instances get from the class or the classes it extends; none where the text cannot be read. */
export function fieldsIn(owner: unknown): Set<string> {
  const names = new Set<string>();
  for (
    let at = owner;
    typeof at === 'function' && at !== Function.prototype;
    at = Object.getPrototypeOf(at) as unknown
  ) {
    for (const member of membersOf(at)) {
      if (member.type !== 'PropertyDefinition' || member.static || member.computed) continue;
      if (member.key.type === 'Identifier') names.add(member.key.name);
      else if (member.key.type === 'Literal') names.add(String(member.key.value));
    }
  }
  return names;
}

function membersOf(owner: object): ClassExpression['body']['body'] {
  try {
    const node = parseExpressionAt(`(${Function.prototype.toString.call(owner)})`, 0, { ecmaVersion: 'latest' });
    return node.type === 'ClassExpression' ? node.body.body : [];
  } catch {
    return [];
  }
}
