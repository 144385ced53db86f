// Importing loads no libtorch; the first tensor does. Prints `false true`.
import { readFileSync } from 'node:fs';

import { tensor } from 'retort-kd';

const isLoaded = () => readFileSync('/proc/self/maps', 'utf8').includes('libtorch');
const before = isLoaded();
tensor([1]).dispose();
console.log(before, isLoaded());
