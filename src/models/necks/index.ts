// Necks: feature maps to what a head takes.
export { GlobalAveragePooling } from './global-average-pooling.ts';
export type { GlobalAveragePoolingOptions } from './global-average-pooling.ts';
