// The network that part 2 of the tutorial records. It is written for itself: nothing in it knows of recorders.
import { Conv2d, functional, Module } from 'retort-kd/nn';
import type { Tensor } from 'retort-kd/torch';

/** Called by name from inside this module: only the load hook can see that. */
export function activate(x: Tensor): Tensor {
  return functional.relu(x);
}

export class Toy extends Module {
  conv1 = new Conv2d(1, 2, { kernelSize: 1 });
  conv2 = new Conv2d(2, 4, { kernelSize: 1 });

  toyFunc(x: Tensor): Tensor {
    return x.mul(2);
  }

  override forward(x: Tensor): Tensor {
    return this.toyFunc(this.conv2.forward(activate(this.conv1.forward(x))));
  }
}
