// The memory layout of DLPack (dlpack.h 1.0) that consumers of a capsule read.
#pragma once

#include <cstdint>

namespace samebits::dlpack {

inline constexpr int32_t kCuda = 2;  // DLDeviceType
inline constexpr uint8_t kUint = 1;  // DLDataTypeCode
inline constexpr uint32_t kMajor = 1, kMinor = 0;

struct Device {
  int32_t type, id;
};
struct DataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct Tensor {
  void* data;
  Device device;
  int32_t ndim;
  DataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
// Capsules named "dltensor".
struct Managed {
  Tensor tensor;
  void* context;
  void (*deleter)(Managed*);
};
// Capsules named "dltensor_versioned".
struct ManagedVersioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(ManagedVersioned*);
  uint64_t flags;
  Tensor tensor;
};

}  // namespace samebits::dlpack
