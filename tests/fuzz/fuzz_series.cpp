// Series: the file as it comes, read in pieces and written back; and a picture of the fuzzer, made
// presentable, after a good key picture, so that its bytes reach the network `time`.
#include "base/error.h"
#include "bitstream/series.h"
#include "codec/series.h"
#include "fuzz_input.h"

namespace samebits::fuzz {
namespace {

constexpr Limits kLimits{1 << 16, int64_t{1} << 26};

const golden::Manifest& with_time() {
  static const golden::Manifest manifest = golden::read_manifest(SAMEBITS_FUZZ_SERIES_MANIFEST);
  return manifest;
}

// What was read to its end must be written back to the same bytes.
void read_and_write_back(const std::span<const uint8_t> file) {
  SeriesReader reader(kLimits.max_bytes);
  SeriesWriter writer;
  Bytes again;
  const auto append = [&](const Bytes& part) {
    again.insert(again.end(), part.begin(), part.end());
  };
  bool writable = true;
  try {
    const size_t half = file.size() / 2;
    for (const auto& piece : {file.first(half), file.subspan(half)}) {
      reader.append(piece);
      while (const auto picture = reader.next()) {
        try {
          if (writable) append(writer.add(picture->stream));
        } catch (const Error&) {
          writable = false;  // the reader leaves the pictures to the decoder
        }
      }
    }
    reader.finish();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::invalid_argument) finding(error.what());
    return;
  }
  if (!writable) return;
  append(writer.end());
  if (!std::equal(again.begin(), again.end(), file.begin(), file.end())) {
    finding("a series was read, but is written back to other bytes");
  }
}

void decode_after_a_key_picture(std::span<const uint8_t> stream) {
  const Model& model = with_time().model;
  SeriesReader reader(kLimits.max_bytes);
  reader.append(with_time().series[0].bytes);
  SeriesDecoder decoder(model);
  decoder.decode(reader.next()->stream, kLimits);
  try {
    decoder.decode(presentable(stream, model), kLimits);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::invalid_argument) finding(error.what());
  }
}

}  // namespace
}  // namespace samebits::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace samebits::fuzz;
  read_and_write_back({data, size});
  decode_after_a_key_picture({data, size});
  return 0;
}
