// The container, as it comes and with its checksum made right. What was read must be written back
// to the same bytes: bitstream.md leaves a writer no choice.
#include "base/error.h"
#include "bitstream/container.h"
#include "fuzz_input.h"

namespace samebits::fuzz {
namespace {

void read_and_write_back(std::span<const uint8_t> stream) {
  try {
    const ParsedStream parsed = parse_stream(stream);
    const Bytes again = write_stream(parsed.header, parsed.chunks, parsed.payload);
    if (!std::equal(again.begin(), again.end(), stream.begin(), stream.end())) {
      finding("a stream was read, but is written back to other bytes");
    }
    describe_header(parsed.header);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::invalid_argument) finding(error.what());
  }
}

}  // namespace
}  // namespace samebits::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace samebits::fuzz;
  read_and_write_back({data, size});
  read_and_write_back(presentable({data, size}, tiny().model));
  return 0;
}
