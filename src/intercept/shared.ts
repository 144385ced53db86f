// Values that all copies of this package in one process share, on `globalThis`.

/** The value called `name`, made by `make` when it is first asked for. */
export function shared<T>(name: string, make: () => T): T {
  const values = globalThis as { [key: symbol]: T | undefined };
  return (values[Symbol.for(`retort-kd.${name}`)] ??= make());
}
