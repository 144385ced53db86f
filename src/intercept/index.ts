// Taps on functions and methods of unmodified code, and the load hook that makes functions of ES modules tappable.
export { addressOf, exportOf, isExportAddress } from './address.ts';
export { functionTarget, methodTarget } from './taps.ts';
export type { AddressOptions, Around, Layer, MethodReference, TappedCall, TapTarget } from './taps.ts';
export { importTapped } from './import-tapped.ts';
export type { TapHookOptions } from './named-modules.ts';
export { registerTaps } from './register-taps.ts';
export { retortTaps } from './vite-plugin.ts';
export type { RetortTapsPlugin } from './vite-plugin.ts';
