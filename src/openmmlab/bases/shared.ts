// What the built-in configs are written with: plain objects in OpenMMLab's words.

/** A config file: what it inherits from, by full name, and what it says itself. */
export interface BuiltinConfig {
  readonly bases?: readonly string[];
  readonly values?: Readonly<Record<string, unknown>>;
  /** Where OpenMMLab keeps the weights of its model. */
  readonly weights?: string;
}
export type BuiltinTable = Readonly<Record<string, BuiltinConfig>>;

export const zoo = 'https://download.openmmlab.com/mmclassification/v0';
