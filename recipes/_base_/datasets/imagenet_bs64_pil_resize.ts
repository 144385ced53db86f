// ImageNet as imagenet_bs32_pil_resize, 64 images a batch.
import { defineBase } from 'retort-kd/config';

import imagenet from './imagenet_bs32_pil_resize.ts';

export default defineBase({
  ...imagenet,
  trainData: { ...imagenet.trainData, batchSize: 64 },
  valData: { ...imagenet.valData, batchSize: 64 },
});
