#include "codec/value_head.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "codec/model.h"

namespace samebits {
namespace {

constexpr int kMaxCoefficients = 16;
constexpr int kMaxShapeShift = 30;

[[noreturn]] void refuse(const std::string& message) {
  fail(ErrorKind::invalid_argument, "weights file: values." + message);
}

void read_rows(const WeightsFile& file, const Model& model, ValueHead& head) {
  const std::vector<int32_t> rows = file.i32("values.rows", {2});
  if (rows[0] < 0 || rows[0] >= rows[1] || rows[1] > model.scale_rows) {
    refuse("rows are " + std::to_string(rows[0]) + " to " + std::to_string(rows[1]) +
           ", must be a range within the " + std::to_string(model.scale_rows) + " scale rows");
  }
  head.first_row = rows[0];
  head.end_row = rows[1];
  head.base = file.i16("values.base", {rows[1] - rows[0], -1});
  const auto entries = static_cast<int64_t>(head.base.size()) / (rows[1] - rows[0]);
  if (entries < 4 || entries > kMaxValueEntries || entries % 2 != 0) {
    refuse("base has " + std::to_string(entries) +
           " entries a row, must have an even number, 4 to " + std::to_string(kMaxValueEntries));
  }
  head.entries = static_cast<int>(entries);
  for (int16_t value : head.base) {
    if (value < -kMaxLogit || value >= kMaxLogit) {
      refuse("base has the logit " + std::to_string(value) + ", must be -16384 to 16383");
    }
  }
}

// The file has [n][J]; ValueShapes wants pairs of coefficients.
void read_shapes(const WeightsFile& file, ValueHead& head) {
  const std::vector<int16_t> shapes = file.i16("values.shapes", {head.entries, -1});
  const auto coefficients = static_cast<int>(shapes.size()) / head.entries;
  if (coefficients < 2 || coefficients > kMaxCoefficients || coefficients % 2 != 0) {
    refuse("shapes have " + std::to_string(coefficients) +
           " coefficients, must have an even number, 2 to " + std::to_string(kMaxCoefficients));
  }
  head.coefficients = coefficients;
  head.shapes.resize(shapes.size());
  for (int v = 0; v < head.entries; ++v) {
    for (int j = 0; j < coefficients; ++j)
      head.shapes[((j / 2) * head.entries + v) * 2 + j % 2] = shapes[v * coefficients + j];
  }
  head.shift = file.i32("values.shift", {1})[0];
  if (head.shift < 0 || head.shift > kMaxShapeShift) {
    refuse("shift is " + std::to_string(head.shift) + ", must be 0 to 30");
  }
}

void read_network(const WeightsFile& file, const Model& model, ValueHead& head) {
  head.network =
      Network::load(file, "values", model.context_channels, model.context.lo, model.context.hi);
  const int expected = model.latent_channels * head.coefficients;
  if (head.network.out_channels() != expected) {
    refuse("program gives " + std::to_string(head.network.out_channels()) +
           " channels, must give " + std::to_string(expected) + ", " +
           std::to_string(head.coefficients) + " for each latent channel");
  }
  if (!head.network.pointwise()) refuse("program must be a chain of 1 x 1 convolutions");
}

// arithmetic.md 9: the sums over the coefficients stay below 2^31.
void check_bound(const ValueHead& head) {
  const int64_t largest =
      std::max(std::abs(head.network.out_lo()), std::abs(head.network.out_hi()));
  for (int v = 0; v < head.entries; ++v) {
    int64_t bound = head.shift == 0 ? 0 : int64_t{1} << (head.shift - 1);
    for (int j = 0; j < head.coefficients; ++j)
      bound += largest * std::abs(head.shapes[((j / 2) * head.entries + v) * 2 + j % 2]);
    if (bound <= INT32_MAX) continue;
    refuse("shapes: the sum of entry " + std::to_string(v) + " can reach " + std::to_string(bound) +
           ", 2^31 is not below (arithmetic.md 9)");
  }
}

}  // namespace

std::optional<ValueHead> ValueHead::load(const WeightsFile& file, const Model& model) {
  if (!file.has("values.program")) return std::nullopt;
  ValueHead head;
  read_rows(file, model, head);
  read_shapes(file, head);
  read_network(file, model, head);
  check_bound(head);
  return head;
}

const ValueHead* value_head_for(const Model& model, bool asked, ErrorKind blame) {
  if (!asked) return nullptr;
  if (model.values) return &*model.values;
  fail(blame,
       "a probability per value (the bit `values`) needs a model that has a head for it, and this "
       "model has none; \"samebits train --values\" makes one");
}

void run_value_head(const ValueHead& head, const ConvLayer& last,
                    std::span<const int16_t> activations, int count, int16_t* coefficients) {
  std::vector<int16_t> hidden, next;
  const int16_t* in = activations.data();
  const std::vector<ConvLayer>& layers = head.network.layers();
  for (size_t i = 0; i + 1 < layers.size(); ++i) {
    next.resize(static_cast<size_t>(count) * layers[i].out_channels);
    conv2d(layers[i], in, 1, count, next.data());
    std::swap(hidden, next);
    in = hidden.data();
  }
  conv2d(last, in, 1, count, coefficients);
}

ValueRows ValueRowMaker::make(std::span<const uint8_t> rows, const int16_t* coefficients) {
  shaped_rows(head_.view(), rows.data(), coefficients, static_cast<int64_t>(rows.size()),
              starts_.data());
  return {head_.first_row, head_.end_row, head_.entries, head_.min_symbol(),
          std::span<const uint16_t>(starts_).first(rows.size() * head_.entries)};
}

}  // namespace samebits
