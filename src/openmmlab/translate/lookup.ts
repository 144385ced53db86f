// Tables are looked up with what a config says, which may be the name of something that every object has.

/** What a table has of its own under a key. */
export function lookup<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
