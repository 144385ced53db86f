// The version of this package. A constant, so that a bundle knows it too; a test compares it with package.json.

/** The version of Retort. */
export const version = '0.1.0';
