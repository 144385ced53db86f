// All tables of names. Of several for one family and library the first is the one that is written.
import { convNeXtTables } from './convnext.ts';
import { mobileTables } from './mobile.ts';
import { residualTables } from './residual.ts';
import { swinTables } from './swin.ts';
import type { NameTable } from './table.ts';
import { tinyViTTables } from './tinyvit.ts';
import { visionTransformerTables } from './vision-transformer.ts';

export const nameTables: readonly NameTable[] = [
  ...residualTables,
  ...mobileTables,
  ...convNeXtTables,
  ...swinTables,
  ...tinyViTTables,
  ...visionTransformerTables,
];
