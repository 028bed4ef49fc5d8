// Training layers: every vector set against plain C++, between guard pages, twice with the same
// bits.
#include <cmath>
#include <memory>
#include <vector>

#include "base/cpu.h"
#include "check.h"
#include "guarded.h"
#include "training/layers.h"

using namespace samebits;
using namespace samebits::training;

namespace {

using Floats = std::vector<float>;

// Arrays that end at, or begin after, a page without access.
class Arrays {
 public:
  explicit Arrays(bool at_end) : at_end_(at_end) {}

  float* add(const Floats& values) {
    arrays_.push_back(std::make_unique<Guarded<float>>(values, at_end_));
    return arrays_.back()->data();
  }

 private:
  bool at_end_;
  std::vector<std::unique_ptr<Guarded<float>>> arrays_;
};

Floats random_floats(Random& random, int64_t count, float scale) {
  Floats values(static_cast<size_t>(count));
  for (float& value : values)
    value = scale * static_cast<float>(random.between(-4096, 4096)) / 4096.0f;
  return values;
}

std::vector<int64_t> parameter_sizes(const BlockShape& shape) {
  const int64_t c = shape.channels, e = shape.inner, k = shape.kernel;
  return {c * c, c, c * k * k, c, c * c, c, e * c, e, c * e, c};
}

template <class T>
BlockParameters<T> parameters_of(const std::vector<float*>& p) {
  return {p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9]};
}

// Result, gradient of x and gradients of all parameters, one after the other.
Floats run_block(const BlockShape& shape, Precision precision, bool at_end, uint64_t seed) {
  Random random(seed);
  Arrays arrays(at_end);
  const int64_t size = shape.images * shape.height * shape.width * shape.channels;
  std::vector<float*> parameters, gradients;
  for (const int64_t count : parameter_sizes(shape)) {
    parameters.push_back(arrays.add(random_floats(random, count, 0.2f)));
    gradients.push_back(arrays.add(Floats(static_cast<size_t>(count), NAN)));
  }
  const float* x = arrays.add(random_floats(random, size, 1.0f));
  const float* grad_out = arrays.add(random_floats(random, size, 1.0f));
  float* out = arrays.add(Floats(static_cast<size_t>(size), NAN));
  float* grad_x = arrays.add(Floats(static_cast<size_t>(size), NAN));
  const Guarded<std::byte> saved(
      std::vector<std::byte>(static_cast<size_t>(block_saved_bytes(shape, precision))), at_end);
  const auto values = parameters_of<const float>(parameters);
  run(BlockForward{shape, values, 0.125f, x, out, saved.data()}, precision);
  run(BlockBackward{shape, values, 0.125f, x, grad_out, saved.data(), grad_x,
                    parameters_of<float>(gradients)},
      precision);
  Floats all(out, out + size);
  all.insert(all.end(), grad_x, grad_x + size);
  const std::vector<int64_t> sizes = parameter_sizes(shape);
  for (size_t i = 0; i < sizes.size(); ++i)
    all.insert(all.end(), gradients[i], gradients[i] + sizes[i]);
  return all;
}

struct PointwiseCase {
  int64_t pixels;
  int inputs, outputs;
  bool leaky;
};

Floats run_pointwise(const PointwiseCase& test, Precision precision, bool at_end, uint64_t seed) {
  Random random(seed);
  Arrays arrays(at_end);
  const int64_t in = test.pixels * test.inputs, out_size = test.pixels * test.outputs;
  const int64_t weights = int64_t{test.inputs} * test.outputs;
  const auto unknown = [&](int64_t count) {
    return arrays.add(Floats(static_cast<size_t>(count), NAN));
  };
  const float* x = arrays.add(random_floats(random, in, 1.0f));
  const float* weight = arrays.add(random_floats(random, weights, 0.2f));
  const float* bias = arrays.add(random_floats(random, test.outputs, 0.2f));
  const float* grad_out = arrays.add(random_floats(random, out_size, 1.0f));
  float *out = unknown(out_size), *grad_x = unknown(in), *grad_weight = unknown(weights);
  float* grad_bias = unknown(test.outputs);
  run(PointwiseForward{test.pixels, test.inputs, test.outputs, weight, bias, test.leaky, 0.125f, x,
                       out},
      precision);
  run(PointwiseBackward{test.pixels, test.inputs, test.outputs, weight, test.leaky, 0.125f, x, out,
                        grad_out, grad_x, grad_weight, grad_bias},
      precision);
  Floats all(out, out + out_size);
  all.insert(all.end(), grad_x, grad_x + in);
  all.insert(all.end(), grad_weight, grad_weight + weights);
  all.insert(all.end(), grad_bias, grad_bias + test.outputs);
  return all;
}

// In bfloat16 a value near the middle of two may be rounded either way, and then be multiplied.
void check_near(const Floats& got, const Floats& wanted, Precision precision) {
  CHECK(got.size() == wanted.size());
  const double one = precision == Precision::bf16 ? 0.1 : 1e-4;
  const double mean = precision == Precision::bf16 ? 1e-3 : 1e-6;
  double sum = 0, size = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::fabs(double{got[i]} - wanted[i]);
    CHECK(error <= one * (1 + std::fabs(wanted[i])));
    sum += error;
    size += std::fabs(wanted[i]);
  }
  CHECK(sum <= mean * size);
}

template <class Run>
void check_targets(const Run& run_case, Precision precision) {
  choose_vector_set("scalar");
  const Floats wanted = run_case(true);
  for (const char* target : {"scalar", "avx2", "avx512"})
    for (const bool at_end : {false, true}) {
      choose_vector_set(target);
      const Floats got = run_case(at_end);
      check_near(got, wanted, precision);
      CHECK(got == run_case(!at_end));
    }
}

void check_errors() {
  CHECK_FAILS(invalid_argument, "multiple of 16", check(BlockShape{1, 4, 4, 24, 48, 3}));
  CHECK_FAILS(invalid_argument, "must be 3, 5 or 7", check(BlockShape{1, 4, 4, 16, 32, 4}));
  CHECK_FAILS(invalid_argument, "empty", check(BlockShape{1, 0, 4, 16, 32, 3}));
  CHECK_FAILS(invalid_argument, "width of the output", check_pointwise(1, 16, 12));
}

}  // namespace

int main() {
  const BlockShape blocks[] = {{1, 1, 1, 16, 16, 3},   {2, 3, 5, 32, 48, 5},
                               {50, 1, 3, 16, 32, 7},  {2, 13, 12, 80, 96, 3},
                               {1, 2, 151, 16, 32, 3}, {1, 24, 24, 64, 128, 3}};
  const PointwiseCase layers[] = {{1, 16, 16, false}, {145, 48, 112, true}, {300, 80, 32, false}};
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    uint64_t seed = 1;
    for (const BlockShape& shape : blocks) {
      check_targets([&](bool at_end) { return run_block(shape, precision, at_end, seed); },
                    precision);
      ++seed;
    }
    for (const PointwiseCase& layer : layers)
      check_targets([&](bool at_end) { return run_pointwise(layer, precision, at_end, seed); },
                    precision);
  }
  check_errors();
  return 0;
}
