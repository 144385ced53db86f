// Names of options: Python's spelling into ours.

/**
 * `loss_weight` -> `lossWeight`, `preds_S` -> `predsS`. Names that begin with an underscore (`_delete_`, `_scope_`) and keys
 * that are no names stay as they are.
 */
export function camelKey(name: string): string {
  if (!/^[A-Za-z]\w*$/.test(name)) return name;
  return name.replace(/_+([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
