// The whole decoder with the tiny model. Model and checksum are made right first, so that the bytes
// of the fuzzer reach the range decoder and the networks.
#include "base/error.h"
#include "codec/decode_picture.h"
#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace samebits;
  using namespace samebits::fuzz;
  constexpr Limits kLimits{1 << 16, int64_t{1} << 26};
  const Model& model = tiny().model;
  try {
    const DecodeResult result = decode_picture(presentable({data, size}, model), model, kLimits);
    const Picture& picture = result.picture;
    const size_t samples = size_t{result.header.width} * result.header.height * picture.channels;
    if (picture.samples.size() != samples) finding("the picture has another size than the header");
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::invalid_argument) finding(error.what());
  }
  return 0;
}
