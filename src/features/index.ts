// Feature maps as pictures: the numbers, the colors, and what records hold.
export { drawFeatureMap } from './draw.ts';
export type { DrawnMap, DrawOptions } from './draw.ts';
export { mapsOf } from './maps.ts';
export type { MapOptions } from './maps.ts';
export { channelReductions, difference, featureMap, reduceChannels, standardized, topChannels } from './numbers.ts';
export type { ChannelReduction, FeatureMap } from './numbers.ts';
export type { Picture } from './colors.ts';
