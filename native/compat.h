// Where libtorch's C++ interface differs between versions, by comparison of numbers; CMakeLists.txt defines both from the libtorch that
// is built against. Versions 1.13, 2.6 and 2.15 are built and tested; the bounds between them are where libtorch's headers changed.
#pragma once

#define RETORT_TORCH_AT_LEAST(major, minor) \
  (RETORT_TORCH_MAJOR > (major) || (RETORT_TORCH_MAJOR == (major) && RETORT_TORCH_MINOR >= (minor)))

// c10::Allocator has `copy_data`, which every allocator must define.
#define RETORT_ALLOCATOR_COPIES RETORT_TORCH_AT_LEAST(2, 2)
// c10::Allocator::allocate is not const.
#define RETORT_ALLOCATE_MUTABLE RETORT_TORCH_AT_LEAST(2, 3)
// at::autocast asks and sets by the type of the device, and computes in float16 on a CPU too.
#define RETORT_AUTOCAST_BY_DEVICE RETORT_TORCH_AT_LEAST(2, 4)
// Lists of optional tensors hold std::optional; libtorch's own kind was an alias of it for some versions, and then removed.
#define RETORT_STD_OPTIONAL RETORT_TORCH_AT_LEAST(2, 6)
