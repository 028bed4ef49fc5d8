#include <algorithm>

#include "cuda/device_model.h"

namespace samebits {
namespace {

constexpr int kLatentStride = 16, kHyperStride = 4;

int ceil_divide(int a, int b) {
  return (a + b - 1) / b;
}

Lattice lattice_of(int phase_mask, int width) {
  Lattice at{};
  for (int odd = 0; odd < 2; ++odd) {
    const int columns = phase_mask >> (2 * odd) & 3;
    at.stride[odd] = columns == 3 ? 1 : 2;
    at.first[odd] = columns == 2 ? 1 : 0;
    at.count[odd] = columns == 3   ? width
                    : columns == 1 ? (width + 1) / 2
                    : columns == 2 ? width / 2
                                   : 0;
  }
  return at;
}

// The steps of a shape; rectangles without positions are left out.
std::vector<DeviceStep> steps_of(const PictureShape& shape, int height, int width) {
  std::vector<DeviceStep> steps;
  int64_t elements = 0;
  int positions = 0;
  for (size_t n = 0; n < shape.rects.size(); ++n) {
    const CudaRect& rect = shape.rects[n];
    if (n == 0 || rect.step != shape.rects[n - 1].step) {
      steps.push_back({});
      elements = positions = 0;
    }
    DeviceStep& step = steps.back();
    const Lattice at = lattice_of(rect.phase_mask, width);
    const int count = (height + 1) / 2 * at.count[0] + height / 2 * at.count[1];
    if (count == 0) continue;
    if (step.rects == kMaxRects) require(cudaErrorInvalidValue);
    const int channels = rect.channel_end - rect.channel_begin;
    step.rect[step.rects++] = {at, count, rect.channel_begin, channels, positions, elements};
    positions += count;
    elements += int64_t{count} * channels;
  }
  return steps;
}

int64_t elements_of(const DeviceStep& step) {
  if (step.rects == 0) return 0;
  const DeviceRect& last = step.rect[step.rects - 1];
  return last.first_element + int64_t{last.positions} * last.channels;
}

int positions_of(const DeviceStep& step) {
  const DeviceRect& last = step.rect[step.rects - 1];
  return last.first_position + last.positions;
}

DeviceTensor tensor(Arena& arena, int height, int width, int channels) {
  DeviceTensor t{nullptr, height, width, channels, round_up(channels, kPitchUnit)};
  t.data = arena.allocate<int16_t>(t.positions() * t.pitch);
  return t;
}

}  // namespace

bool PictureShape::operator==(const PictureShape& other) const {
  const auto same = [](const CudaRect& a, const CudaRect& b) {
    return a.step == b.step && a.channel_begin == b.channel_begin &&
           a.channel_end == b.channel_end && a.phase_mask == b.phase_mask;
  };
  return height == other.height && width == other.width && grey == other.grey &&
         std::equal(rects.begin(), rects.end(), other.rects.begin(), other.rects.end(), same);
}

struct DeviceModel::Run {
  const StreamHeader* header;
  CoderState* coder;
  DeviceStatus* status;
  Arena& arena;
  cudaStream_t stream;
  int height, width;  // of the latents
  LatentState latents;

  bool launches() const { return !arena.counting(); }
};

DeviceModel::DeviceModel(const CudaModel& model, int shared_limit)
    : m_(model.latent_channels),
      nz_(model.hyper_channels),
      f_(model.feature_channels),
      c1_(model.context_channels),
      proxy_shift_(model.proxy_shift),
      scale_rows_(model.scale_rows),
      hyper_synthesis_(model.hyper_synthesis, NetworkPlan::End::activations),
      synthesis_(model.synthesis, NetworkPlan::End::pixels),
      context_(model.context),
      context_bias_(uploaded(model.context_bias, size_t(model.qualities) * c1_)),
      inverse_gain_(uploaded(model.inverse_gain, size_t(model.qualities) * m_)),
      log2_gain_(uploaded(model.log2_gain, size_t(model.qualities) * m_)),
      z_inverse_gain_(uploaded(model.z_inverse_gain, size_t(model.qualities) * nz_)),
      z_row_(uploaded(model.z_row, size_t(model.qualities) * nz_)),
      tables_(model.cdf_rows, model.cdf_starts, model.cdf_row_begin, model.cdf_min_symbol,
              static_cast<size_t>(shared_limit)) {
  for (int n = 0; n < model.entropy.operation_count; ++n) {
    const int layer = model.entropy.operations[n].layer;
    entropy_layers_.try_emplace(layer, model.entropy.layers[layer]);
    entropy_.push_back(layer);
  }
}

DeviceTensor DeviceModel::enqueue(const PictureShape& shape, const StreamHeader* header,
                                  CoderState* coder, DeviceStatus* status, Arena& arena,
                                  cudaStream_t stream) const {
  const int height = ceil_divide(shape.height, kLatentStride);
  const int width = ceil_divide(shape.width, kLatentStride);
  Run run{header, coder, status, arena, stream, height, width, {}};
  const DeviceTensor hyper = decode_hyper(run);
  run.latents = {&header->quality,
                 tensor(arena, height, width, m_),
                 tensor(arena, height, width, 2 * m_ + f_),
                 inverse_gain_.as<int32_t>(),
                 log2_gain_.as<int32_t>(),
                 proxy_shift_,
                 scale_rows_,
                 status};
  if (run.launches()) require(run_start_latents(run.latents, hyper, stream));
  arena.release(hyper.data);
  for (const DeviceStep& step : steps_of(shape, height, width))
    if (step.rects > 0) decode_step(run, step);
  arena.release(run.latents.context.data);
  const DeviceTensor& y_hat = run.latents.proxy;
  if (run.launches()) {
    require(finish_payload(header, coder, status, stream));
    require(crc_.run(y_hat, status, stream));
  }
  const DeviceTensor out = synthesis_.run(y_hat, arena, stream);
  if (run.launches())
    require(
        run_pixels({out, synthesis_.pixel_factor(), synthesis_.pixel_lo(), synthesis_.pixel_hi(),
                    shape.height, shape.width, shape.grey, &header->pixels},
                   stream));
  arena.release(out.data);
  return y_hat;
}

// The hyper-synthesis; part of the arena.
DeviceTensor DeviceModel::decode_hyper(Run& run) const {
  Arena& arena = run.arena;
  const DeviceTensor z_hat = tensor(arena, ceil_divide(run.height, kHyperStride),
                                    ceil_divide(run.width, kHyperStride), nz_);
  const int64_t count = z_hat.positions() * nz_;
  uint8_t* rows = arena.allocate<uint8_t>(count);
  int32_t* symbols = arena.allocate<int32_t>(count);
  if (run.launches()) {
    const HyperTables tables{&run.header->quality, z_inverse_gain_.as<int32_t>(),
                             z_row_.as<int32_t>()};
    require(start_payload(run.header, run.coder, run.status, run.stream));
    require(run_hyper_rows(tables, nz_, z_hat.positions(), rows, run.stream));
    require(decode_batch(tables_, run.header, run.coder, run.status, {rows, symbols, count},
                         run.stream));
    require(run_hyper_values(tables, symbols, z_hat, run.status, run.stream));
  }
  arena.release(rows);
  arena.release(symbols);
  const DeviceTensor hyper = hyper_synthesis_.run(z_hat, arena, run.stream);
  arena.release(z_hat.data);
  return hyper;
}

void DeviceModel::decode_step(Run& run, const DeviceStep& step) const {
  Arena& arena = run.arena;
  const int64_t elements = elements_of(step);
  int16_t* delta = arena.allocate<int16_t>(elements);
  int16_t* log_scale = arena.allocate<int16_t>(elements);
  run_step_networks(run, step, positions_of(step), delta, log_scale);
  uint8_t* rows = arena.allocate<uint8_t>(elements);
  int32_t* symbols = arena.allocate<int32_t>(elements);
  if (run.launches()) {
    require(run_parameters(run.latents, step, delta, log_scale, rows, run.stream));
    require(decode_batch(tables_, run.header, run.coder, run.status, {rows, symbols, elements},
                         run.stream));
    require(run_update(run.latents, step, delta, symbols, run.stream));
  }
  for (const void* part : {static_cast<void*>(delta), static_cast<void*>(log_scale),
                           static_cast<void*>(rows), static_cast<void*>(symbols)})
    arena.release(part);
}

// Context layer and entropy network at the step's positions, the last layer only where the step has
// elements.
void DeviceModel::run_step_networks(Run& run, const DeviceStep& step, int64_t positions,
                                    int16_t* delta, int16_t* log_scale) const {
  Arena& arena = run.arena;
  const int count = static_cast<int>(positions);
  DeviceTensor hidden = tensor(arena, 1, count, c1_);
  if (run.launches()) {
    DenseConv conv = whole_conv(context_, run.latents.context, hidden);
    conv.bias_table = context_bias_.as<int32_t>();
    conv.quality = run.latents.quality;
    const ConvSegment all = conv.segment[0];
    for (int r = 0; r < step.rects; ++r) {
      ConvSegment& segment = conv.segment[r] = all;
      segment.at = step.rect[r].at;
      segment.positions = step.rect[r].positions;
      segment.out += int64_t{step.rect[r].first_position} * hidden.pitch;
    }
    require(run_dense_conv(conv, step.rects, context_.digits, run.stream));
  }
  for (size_t n = 0; n + 1 < entropy_.size(); ++n) {
    const DeviceDense& layer = entropy_layers_.at(entropy_[n]);
    const DeviceTensor next = tensor(arena, 1, count, layer.conv.out_channels);
    if (run.launches())
      require(run_dense_conv(whole_conv(layer, hidden, next), 1, layer.digits, run.stream));
    arena.release(hidden.data);
    hidden = next;
  }
  if (run.launches())
    require(run_dense_conv(last_layer(step, hidden, delta, log_scale), 2 * step.rects,
                           entropy_layers_.at(entropy_.back()).digits, run.stream));
  arena.release(hidden.data);
}

DenseConv DeviceModel::last_layer(const DeviceStep& step, const DeviceTensor& hidden,
                                  int16_t* delta, int16_t* log_scale) const {
  DenseConv conv = whole_conv(entropy_layers_.at(entropy_.back()), hidden, hidden);
  const ConvSegment all = conv.segment[0];
  for (int n = 0; n < 2 * step.rects; ++n) {
    const DeviceRect& rect = step.rect[n / 2];
    ConvSegment& segment = conv.segment[n] = all;
    segment.x += int64_t{rect.first_position} * hidden.pitch;
    segment.width = segment.positions = rect.positions;
    segment.at = whole_picture(rect.positions);
    segment.begin = rect.begin + (n % 2 == 0 ? 0 : m_);
    segment.count = segment.out_pitch = rect.channels;
    segment.out = (n % 2 == 0 ? delta : log_scale) + rect.first_element;
    segment.whole_rows = segment.begin % kPitchUnit == 0 && rect.channels % kPitchUnit == 0 &&
                         rect.first_element % kPitchUnit == 0;
  }
  return conv;
}

}  // namespace samebits
