// Classifiers: whole networks from images to classes.
export { ClsDataPreprocessor } from './cls-data-preprocessor.ts';
export type { ClsDataPreprocessorOptions } from './cls-data-preprocessor.ts';
export { ImageClassifier } from './image-classifier.ts';
export type { FeatureStage, ImageClassifierParts } from './image-classifier.ts';
