// The parser of weights files on any bytes, and every tensor it finds read as every type.
#include "base/error.h"
#include "fuzz_input.h"
#include "nn/weights_file.h"

namespace samebits::fuzz {
namespace {

template <class Read>
void may_refuse(const Read& read) {
  try {
    read();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_argument) finding(error.what());
  }
}

void read_all(const WeightsFile& file) {
  for (const std::string& name : file.names()) {
    if (!file.has(name)) finding("a tensor is listed, but not there");
    const std::vector<int64_t> shape = file.shape(name);
    may_refuse([&] { file.u8(name, shape); });
    may_refuse([&] { file.i16(name, shape); });
    may_refuse([&] { file.u16(name, shape); });
    may_refuse([&] { file.i32(name, std::vector<int64_t>(shape.size(), -1)); });
  }
}

}  // namespace
}  // namespace samebits::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace samebits;
  fuzz::may_refuse([&] { fuzz::read_all(WeightsFile::parse({data, data + size})); });
  return 0;
}
