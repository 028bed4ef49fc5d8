#include "nn/row_pipeline.h"

#include <algorithm>
#include <utility>

#include "nn/row_operations.h"

namespace samebits {
namespace {

// After so many strips all are alike (RowPipeline::bytes).
constexpr int kStripsUntilSteady = 12;

}  // namespace

RowPipeline::RowPipeline(const Network& net, const std::vector<Network::Size>& sizes, int strip,
                         const Network::Input& input, const Network::Output& output,
                         RowBufferPool::Kind kind)
    : net_(net),
      sizes_(sizes),
      strip_(strip),
      input_(input),
      output_(output),
      kind_(kind),
      pool_(kind),
      held_(sizes.size()),
      live_(rows_done(sizes.back().height)),
      done_(sizes.size(), 0),
      kept_(rows_kept(done_)) {}

int RowPipeline::strip_unit(const std::vector<Network::Size>& sizes) {
  const int out_height = sizes.back().height;
  int unit = 1;
  for (const Network::Size& size : sizes)
    unit = std::max(unit, (out_height + size.height - 1) / size.height);
  return unit;
}

void RowPipeline::run() {
  const int out_height = sizes_.back().height;
  for (int begin = 0; begin < out_height; begin += std::min(strip_, out_height - begin))
    advance(begin + std::min(strip_, out_height - begin));
}

int64_t RowPipeline::bytes(const Network& net, const std::vector<Network::Size>& sizes, int strip,
                           const Network::Input& input, const Network::Output& output) {
  RowPipeline pipeline(net, sizes, strip, input, output, RowBufferPool::Kind::counting);
  const int out_height = sizes.back().height;
  int end = 0;
  for (int n = 0; n < kStripsUntilSteady && end < out_height; ++n) {
    end += std::min(strip, out_height - end);
    pipeline.advance(end);
  }
  return pipeline.pool_.bytes();
}

RowPipeline::Rows RowPipeline::rows_read(const Stage& stage, Rows out) const {
  switch (stage.opcode) {
    case Network::Opcode::conv: {
      const ConvLayer& layer = net_.layers_[stage.depthwise >= 0 ? stage.depthwise : stage.layer];
      const int pad = (layer.kernel - 1) / 2;
      return {std::max(0, out.begin * layer.stride - pad),
              std::min(sizes_[stage.src].height, (out.end - 1) * layer.stride + pad + 1)};
    }
    case Network::Opcode::unshuffle:
      return {out.begin * stage.factor, out.end * stage.factor};
    case Network::Opcode::shuffle:
      return {out.begin / stage.factor, (out.end - 1) / stage.factor + 1};
    default:
      return out;
  }
}

// Rows of every value that must have been computed before `out_rows` rows of the output can be.
std::vector<int> RowPipeline::rows_done(int out_rows) const {
  std::vector<int> done(sizes_.size(), 0);
  done.back() = out_rows;
  for (size_t n = net_.stages_.size(); n-- > 0;) {
    const Stage& stage = net_.stages_[n];
    if (done[stage.out] == 0) continue;
    const int needed = rows_read(stage, {0, done[stage.out]}).end;
    done[stage.src] = std::max(done[stage.src], needed);
    if (stage.src2 >= 0) done[stage.src2] = std::max(done[stage.src2], done[stage.out]);
  }
  return done;
}

// The first row of every value that is read by rows not yet done.
std::vector<int> RowPipeline::rows_kept(const std::vector<int>& done) const {
  std::vector<int> kept(sizes_.size());
  for (size_t value = 0; value < kept.size(); ++value) kept[value] = sizes_[value].height;
  for (const Stage& stage : net_.stages_) {
    const int next = done[stage.out];
    if (next >= live_[stage.out]) continue;
    const int first = rows_read(stage, {next, next + 1}).begin;
    kept[stage.src] = std::min(kept[stage.src], first);
    if (stage.src2 >= 0) kept[stage.src2] = std::min(kept[stage.src2], next);
  }
  return kept;
}

void RowPipeline::advance(int out_rows) {
  const std::vector<int> done = rows_done(out_rows);
  kept_next_ = rows_kept(done);
  if (input_.whole == nullptr && done[0] > done_[0]) read_input(done_[0], done[0]);
  done_[0] = done[0];
  for (size_t n = 0; n < net_.stages_.size(); ++n) {
    const Stage& stage = net_.stages_[n];
    const int begin = done_[stage.out], end = done[stage.out];
    if (end > begin) {
      const bool to_output = output_.whole != nullptr && &stage == &net_.stages_.back();
      if (to_output)
        held_[stage.out].data = output_.whole, held_[stage.out].first = 0;
      else
        make_room(stage.out, begin, end);
      if (!counting()) compute(stage, begin, end);
      done_[stage.out] = end;
    }
    release(n);
  }
  kept_ = kept_next_;
}

void RowPipeline::read_input(int begin, int end) {
  make_room(0, begin, end);
  if (!counting())
    input_.read(begin, end, held_[0].data + (begin - held_[0].first) * row_values(0));
}

// A buffer for rows up to `end`; those from kept_ to `begin` stay.
void RowPipeline::make_room(int value, int begin, int end) {
  Held& held = held_[value];
  const int first = std::min(kept_[value], begin);
  const int64_t kept_values = (begin - first) * row_values(value);
  const int64_t needed = (end - first) * row_values(value);
  RowBuffer old = std::exchange(held.buffer, {});
  const bool reused = old.capacity >= needed;
  held.buffer = reused ? std::exchange(old, {}) : pool_.take(needed);
  if (!counting() && kept_values > 0) {
    const int16_t* kept = held.data + (first - held.first) * row_values(value);
    std::copy(kept, kept + kept_values, held.buffer.data.get());
  }
  pool_.give(std::move(old));
  held.data = held.buffer.data.get();
  held.first = first;
}

// Gives back the buffers of which nothing is read after this stage.
void RowPipeline::release(size_t stage) {
  for (int value : net_.ended_by_[stage]) {
    if (kept_next_[value] < done_[value]) continue;
    pool_.give(std::move(held_[value].buffer));
    held_[value].buffer = {};
  }
}

int64_t RowPipeline::row_values(int value) const {
  return int64_t{sizes_[value].width} * net_.values_[value].channels;
}

RowWindow RowPipeline::window(int value) const {
  const Network::Size size = sizes_[value];
  if (value == 0 && input_.whole != nullptr)
    return {input_.whole, 0, size.height, size.height, size.width};
  const Held& held = held_[value];
  return {held.data, held.first, done_[value] - held.first, size.height, size.width};
}

void RowPipeline::compute(const Stage& stage, int begin, int end) {
  int16_t* const out =
      held_[stage.out].data + (begin - held_[stage.out].first) * row_values(stage.out);
  net_.run_stage(stage, window(stage.src), stage.src2 < 0 ? RowWindow{} : window(stage.src2), begin,
                 end, out);
  if (&stage == &net_.stages_.back() && output_.whole == nullptr) output_.write(begin, end, out);
}

}  // namespace samebits
