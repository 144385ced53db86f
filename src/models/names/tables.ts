// All tables of names. Of several for one family and library the first is the one that is written.
import { denseNetTables } from './densenet.ts';
import { efficientNetTables } from './efficientnet.ts';
import { mobileNetV3Tables } from './mobilenet-v3.ts';
import { convNeXtTables } from './convnext.ts';
import { mobileTables } from './mobile.ts';
import { residualTables } from './residual.ts';
import { swinTables } from './swin.ts';
import type { NameTable } from './table.ts';
import { vggTables } from './vgg.ts';
import { tinyViTTables } from './tinyvit.ts';
import { visionTransformerTables } from './vision-transformer.ts';

export const nameTables: readonly NameTable[] = [
  ...residualTables,
  ...mobileTables,
  ...mobileNetV3Tables,
  ...efficientNetTables,
  ...vggTables,
  ...denseNetTables,
  ...convNeXtTables,
  ...swinTables,
  ...tinyViTTables,
  ...visionTransformerTables,
];
