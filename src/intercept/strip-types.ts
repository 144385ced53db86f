// TypeScript that Node itself runs reaches the load hook with its types.
import nodeModule from 'node:module';

type Strip = (code: string) => string;

/** The text without types, every other character in its place; as it is where Node cannot strip types. */
export function stripTypes(text: string): string {
  const { stripTypeScriptTypes } = nodeModule as { stripTypeScriptTypes?: Strip };
  try {
    return stripTypeScriptTypes?.(text) ?? text;
  } catch {
    return text;
  }
}
