// Which devices there are: asked before anything is put on one, so that a missing one is an error that says what to do.
import { deviceMistake } from '../check.ts';
import type { ComputeDevice } from '../check.ts';
import { RetortError } from '../errors.ts';
import type { Device } from './dtype.ts';
import { deviceNumbers } from './dtype.ts';
import { native } from './native.ts';

/** Those that were found to be there. */
const present = new Set<string>(['cpu', 'meta']);

/**
 * The device of a name, where this machine has it.
 * @param where what was given, for errors, such as `Trainer: device`
 * @throws {RetortError} `invalid-argument` for a name of none and a number that there is not, `unsupported` where libtorch was built
 *   without CUDA or finds no device.
 */
export function requireDevice(name: unknown, where: string): Device {
  if (present.has(name as string)) return name as Device;
  const mistake = deviceMistake(name, ['cpu', 'cuda', 'meta']);
  if (mistake !== undefined) throw new RetortError(`${where}: ${mistake}`);
  const { version, cudaBuilt, cudaDevices } = native().info();
  if (!cudaBuilt) {
    throw new RetortError(`${where}: "${String(name)}" needs CUDA, and libtorch ${version} was built without it`, {
      code: 'unsupported',
      help: "unpack a libtorch with CUDA, name its folder in RETORT_LIBTORCH and run the setup again; or compute on the CPU: device: 'cpu', --device cpu",
    });
  }
  if (cudaDevices === 0) {
    throw new RetortError(`${where}: "${String(name)}": libtorch ${version} has CUDA, but finds no device`, {
      code: 'unsupported',
      help: 'nvidia-smi lists the devices of the driver; CUDA_VISIBLE_DEVICES hides some',
    });
  }
  const [, index] = deviceNumbers(name as string)!;
  if (index >= cudaDevices) {
    const there = cudaDevices === 1 ? '"cuda:0" alone' : `"cuda:0" to "cuda:${cudaDevices - 1}"`;
    throw new RetortError(`${where}: there is no "${String(name)}": this machine has ${there}`, {
      help: 'devices are counted from 0, among those of CUDA_VISIBLE_DEVICES',
    });
  }
  present.add(name as string);
  return name as Device;
}

/**
 * The device of one of several processes: `'cuda'` is shared out among them, by their numbers; one with a number is that.
 * @param rank this process's number
 */
export function deviceOfProcess(device: ComputeDevice, rank: number, where: string): ComputeDevice {
  requireDevice(device, where);
  return device === 'cuda' ? `cuda:${rank % native().info().cudaDevices}` : device;
}

/** Whether it is a CUDA device. */
export function isCuda(device: Device): boolean {
  return device.startsWith('cuda');
}
