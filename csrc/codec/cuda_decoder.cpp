#include "codec/cuda_decoder.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/error.h"
#include "bitstream/container.h"
#include "codec/decode_picture.h"
#include "codec/hyper_latents.h"
#include "codec/working_set.h"
#include "cuda/cuda_module.h"
#include "entropy/leb128.h"
#include "entropy/range_coder.h"
#include "nn/network_view.h"

namespace samebits {
namespace {

CudaLayer view_context(const Model& model) {
  const ContextLayer& context = model.context;
  const int m = model.latent_channels, f = model.feature_channels;
  const int limit = std::max({kMaxProxy, kMaskValue, std::abs(model.hyper_synthesis.out_lo()),
                              std::abs(model.hyper_synthesis.out_hi())});
  return {2 * m + f,
          model.context_channels,
          3,
          1,
          0,
          -limit,
          limit,
          context.leaky,
          context.lo,
          context.hi,
          context.weight.data(),
          nullptr,
          context.multiplier.data(),
          context.shift.data()};
}

CudaDecoder* open_decoder(const Model& model, int device) {
  const CudaModule& module = require_cuda_module();
  if (device < 0 || device >= module.device_count()) {
    fail(ErrorKind::device_error, "there is no CUDA device " + std::to_string(device) +
                                      "; this machine has " +
                                      std::to_string(module.device_count()));
  }
  const NetworkView hyper_synthesis(model.hyper_synthesis), entropy(model.entropy),
      synthesis(model.synthesis);
  const CudaModel view{model.latent_channels,
                       model.hyper_channels,
                       model.feature_channels,
                       model.context_channels,
                       model.proxy_shift,
                       model.scale_rows,
                       kQualities,
                       hyper_synthesis.get(),
                       entropy.get(),
                       synthesis.get(),
                       view_context(model),
                       model.context.bias.values.data(),
                       model.inverse_gain.values.data(),
                       model.log2_gain.values.data(),
                       model.z_inverse_gain.values.data(),
                       model.z_row.values.data(),
                       model.cdf.rows(),
                       model.cdf.starts().data(),
                       model.cdf.row_begin().data(),
                       model.cdf.min_symbols().data()};
  CudaResult result;
  CudaDecoder* decoder = module.open(&view, device, &result);
  check_cuda(result);
  return decoder;
}

// The device keeps one state of the context layer, so every rectangle must see all that is known.
std::vector<CudaRect> rects_of(const Schedule& schedule) {
  std::vector<CudaRect> rects;
  for (size_t step = 0; step < schedule.size(); ++step) {
    for (const Rect& rect : schedule[step]) {
      if (!rect.view.empty()) {
        fail(ErrorKind::device_error,
             "orders of the modes 4 to 6 are decoded on the CPU only; use device=\"cpu\"");
      }
      rects.push_back(
          {static_cast<int32_t>(step), rect.channel_begin, rect.channel_end, rect.phase_mask});
    }
  }
  return rects;
}

// The parts of a payload; whatever is wrong with its head is an Error.
void take_apart(std::span<const uint8_t> payload, const Model& model, CudaPicture& picture) {
  picture.lanes = RangeDecoder(model.cdf, payload).lanes();
  Leb128Reader head(payload);
  const size_t escapes = static_cast<size_t>(head.read("range coder payload") >> 3);
  const std::span<const uint8_t> body = payload.subspan(head.position());
  if (body.size() > INT32_MAX) {
    fail(ErrorKind::limit_exceeded, "a payload of " + std::to_string(body.size()) +
                                        " bytes is too long for CUDA; decode it on the CPU");
  }
  picture.escapes = body.data();
  picture.escape_bytes = static_cast<uint32_t>(escapes);
  picture.words = body.data() + escapes;
  picture.word_count = static_cast<uint32_t>((body.size() - escapes) / 2);
}

}  // namespace

DevicePicture::DevicePicture(int device, const Header& header, uint8_t* samples)
    : device_(device),
      height_(static_cast<int>(header.height)),
      width_(static_cast<int>(header.width)),
      channels_(header.grey ? 1 : 3),
      samples_(samples) {}

DevicePicture::DevicePicture(DevicePicture&& other) noexcept {
  *this = std::move(other);
}

DevicePicture& DevicePicture::operator=(DevicePicture&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(height_, other.height_);
  std::swap(width_, other.width_);
  std::swap(channels_, other.channels_);
  std::swap(samples_, other.samples_);
  return *this;
}

DevicePicture::~DevicePicture() {
  if (samples_ != nullptr) require_cuda_module().release(device_, samples_);
}

void DevicePicture::download(uint8_t* to) const {
  CudaResult result;
  require_cuda_module().download(device_, to, samples_,
                                 static_cast<size_t>(height_) * width_ * channels_, &result);
  check_cuda(result);
}

// A stream that has been read as far as the host reads it.
struct GpuDecoder::Job {
  std::span<const uint8_t> stream;
  Header header;
  std::vector<CudaRect> rects;
  CudaPicture picture;
};

GpuDecoder::GpuDecoder(const Model& model, int device)
    : model_(model), device_(device), decoder_(open_decoder(model, device)) {}

GpuDecoder::~GpuDecoder() {
  require_cuda_module().close(decoder_);
}

GpuDecoder::Job GpuDecoder::prepare(std::span<const uint8_t> stream, const Options& options) const {
  const ParsedStream parsed = parse_stream(stream);
  Job job{stream, parsed.header, {}, {}};
  const Header& header = job.header;
  check_pixels(header.width, header.height, options.limits);
  check_model(header, model_);
  if (header.time) {
    fail(ErrorKind::needs_series,
         "this stream is one picture of a series; a series is decoded as a whole, and with "
         "device=\"cpu\" only");
  }
  if (header.values) {
    fail(ErrorKind::device_error,
         "streams with a probability per value are decoded on the CPU only; use device=\"cpu\"");
  }
  job.rects = rects_of(make_schedule(header.schedule, model_.groups, ErrorKind::corrupt_stream));
  const LatentSizes sizes = latent_sizes(header.height, header.width);
  expect_output_size(model_.hyper_synthesis, {sizes.hyper_height, sizes.hyper_width},
                     {sizes.hyper_height * kHyperStride, sizes.hyper_width * kHyperStride});
  expect_output_size(model_.synthesis, {sizes.height, sizes.width},
                     {sizes.height * kLatentStride, sizes.width * kLatentStride});
  CudaPicture& picture = job.picture;
  picture.height = static_cast<int32_t>(header.height);
  picture.width = static_cast<int32_t>(header.width);
  picture.grey = header.grey;
  picture.quality = header.quality;
  picture.rect_count = static_cast<int32_t>(job.rects.size());
  take_apart(parsed.payload, model_, picture);
  picture.max_device_bytes = options.limits.max_bytes;
  picture.stream = options.stream;
  picture.has_stream = options.has_stream;
  return job;
}

// Pixels are good only if the device noted no problem and the latents have the right checksum.
// Otherwise the decoder of the CPU says what is wrong with the stream.
DevicePicture GpuDecoder::finish(const Job& job, const CudaDecoded& decoded,
                                 const Options& options) const {
  DevicePicture picture(device_, job.header, decoded.pixels);
  check_cuda(decoded.result);
  if (decoded.problems == 0 && decoded.latent_crc == job.header.latent_crc) return picture;
  samebits::decode_latents(job.stream, model_, options.limits);
  fail(ErrorKind::device_error,
       "the CUDA device decodes wrongly what the CPU decodes well (problems " +
           std::to_string(decoded.problems) +
           "): its memory or driver may be damaged; use the CPU, and please report it");
}

std::vector<GpuDecoder::Outcome> GpuDecoder::decode(
    std::span<const std::span<const uint8_t>> streams, const Options& options) const {
  std::vector<Outcome> outcomes(streams.size());
  std::vector<Job> jobs;
  std::vector<size_t> place;  // of a job among the streams
  for (size_t n = 0; n < streams.size(); ++n) {
    try {
      jobs.push_back(prepare(streams[n], options));
      place.push_back(n);
    } catch (...) {
      outcomes[n].error = std::current_exception();
    }
  }
  std::vector<CudaPicture> pictures;
  for (const Job& job : jobs) {
    pictures.push_back(job.picture);
    pictures.back().rects = job.rects.data();
  }
  std::vector<CudaDecoded> decoded(jobs.size());
  require_cuda_module().decode(decoder_, pictures.data(), decoded.data(),
                               static_cast<int32_t>(jobs.size()));
  for (size_t n = 0; n < jobs.size(); ++n) {
    try {
      outcomes[place[n]].picture = finish(jobs[n], decoded[n], options);
    } catch (...) {
      outcomes[place[n]].error = std::current_exception();
    }
  }
  return outcomes;
}

Tensor<int16_t> GpuDecoder::decode_latents(std::span<const uint8_t> stream,
                                           const Options& options) const {
  Job job = prepare(stream, options);
  const LatentSizes sizes = latent_sizes(job.header.height, job.header.width);
  Tensor<int16_t> y_hat(sizes.height, sizes.width, model_.latent_channels);
  job.picture.rects = job.rects.data();
  job.picture.latents = y_hat.data.data();
  CudaDecoded decoded;
  require_cuda_module().decode(decoder_, &job.picture, &decoded, 1);
  finish(job, decoded, options);
  return y_hat;
}

}  // namespace samebits
