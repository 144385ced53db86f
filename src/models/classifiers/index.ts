// Classifiers: whole networks from images to classes.
export { ImageClassifier } from './image-classifier.ts';
export type { Backbone, Head, ImageClassifierParts, Neck } from './image-classifier.ts';
