// Modules and files: a state dict under the module's own names, in whatever format the file has.
import { RetortError } from '../errors.ts';
import { FormatError } from '../formats/index.ts';
import { tidy } from '../torch/index.ts';
import type { Module } from './module.ts';
import type { LoadOptions, LoadReport } from './state-dict.ts';
import { loadTensors, saveTensors } from './tensor-files.ts';

/**
 * Saves a module's state dict under its own names. The file is replaced as a whole. Its extension says the format, as in
 * {@link saveTensors}: safetensors with a checksum, `.pth` and `.pt` as PyTorch, `.npz` as NumPy.
 * @throws {RetortError} `unsupported` for a dtype that the format does not have, `file-system` when the file cannot be written.
 *
 * @example
 * ```ts
 * saveModule('student.safetensors', student);
 * loadModule('student.safetensors', student);
 * ```
 */
export function saveModule(path: string, module: Module, metadata: Readonly<Record<string, string>> = {}): void {
  tidy(() => saveTensors(path, module.stateDict(), metadata));
}

/**
 * Loads a file that {@link saveModule}, PyTorch, NumPy or any other tool wrote: see {@link loadTensors} for the formats.
 * @throws {RetortError} see {@link Module.loadStateDict}; also where the module needs a tensor of an element type that libtorch
 *   does not have.
 */
export function loadModule(path: string, module: Module, options: LoadOptions = {}): LoadReport {
  return tidy(() => {
    try {
      const { tensors, leftOut } = loadTensors(path);
      const own = module.stateDict();
      const lost = Object.entries(leftOut).filter(([name]) => Object.hasOwn(own, name));
      if (lost.length > 0) {
        const shown = lost.slice(0, 4).map(([name, dtype]) => `"${name}" is ${dtype}`);
        throw new RetortError(
          `loadModule: libtorch does not have the element types of ${lost.length} tensors: ${shown.join(', ')}`,
          { code: 'unsupported', help: 'convert them to float32 or float16 before they are saved' },
        );
      }
      return module.loadStateDict(tensors, options);
    } catch (error) {
      if (error instanceof RetortError && !(error instanceof FormatError)) error.locate(path);
      throw error;
    }
  });
}
