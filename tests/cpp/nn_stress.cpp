// nn_stress [N [SEED]]: N rounds of random layers and networks, every fast target compared exactly
// with the scalar definition, thread counts and strips with each other; then timings of each.
// ctest runs it with few rounds; run it with many on a new machine.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/threads.h"
#include "check.h"
#include "nn/network.h"
#include "nn/target.h"
#include "random_network.h"

using namespace samebits;

namespace {

// Larger shapes than the other tests use, hence compared with the scalar kernels, not the
// reference.
void compare_layer(Random& random) {
  const bool depthwise = random.one_in(3);
  const int channels = static_cast<int>(random.between(1, random.one_in(4) ? 300 : 70));
  const ConvLayer layer = random_layer(random, channels, static_cast<int>(random.between(1, 150)),
                                       depthwise, static_cast<int>(random.between(1, 32768)));
  const Tensor<int16_t> x = random_tensor(random, static_cast<int>(random.between(1, 20)),
                                          static_cast<int>(random.between(1, 120)), channels);
  const size_t size = size_t{1} * conv_output_size(x.height, layer.stride) *
                      conv_output_size(x.width, layer.stride) * layer.out_channels;
  set_target("scalar");
  set_thread_count(1);
  std::vector<int32_t> expected_acc(size), acc(size);
  std::vector<int16_t> expected(size), out(size);
  conv2d_accumulate(layer, x.data.data(), x.height, x.width, expected_acc.data());
  conv2d(layer, x.data.data(), x.height, x.width, expected.data());
  for (const std::string& name : targets()) {
    set_target(name);
    set_thread_count(static_cast<int>(random.between(1, 8)));
    conv2d_accumulate(layer, x.data.data(), x.height, x.width, acc.data());
    conv2d(layer, x.data.data(), x.height, x.width, out.data());
    CHECK(acc == expected_acc);
    CHECK(out == expected);
  }
}

void compare_network(Random& random) {
  const RandomNetwork description = random_network(random);
  const Network net =
      Network::load(description.builder.file(), "net", description.in_channels, -32768, 32767);
  const Tensor<int16_t> x =
      random_tensor(random, static_cast<int>(random.between(1, 40)) * description.unit,
                    static_cast<int>(random.between(1, 40)) * description.unit, net.in_channels());
  set_target("scalar");
  set_thread_count(1);
  const std::vector<int16_t> expected = net.run(x).data;
  const int64_t whole = net.working_set_bytes(x.height, x.width);
  for (const std::string& name : targets()) {
    set_target(name);
    set_thread_count(static_cast<int>(random.between(1, 8)));
    CHECK(net.run(x).data == expected);
    try {
      CHECK(net.run(x, random.between(whole / 8, whole)).data == expected);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::limit_exceeded);
    }
  }
}

double fastest_seconds(const ConvLayer& layer, const Tensor<int16_t>& x) {
  std::vector<int16_t> out(size_t{1} * x.height * x.width * layer.out_channels);
  double fastest = 1e9;
  for (int n = 0; n < 7; ++n) {
    const auto start = std::chrono::steady_clock::now();
    conv2d(layer, x.data.data(), x.height, x.width, out.data());
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    fastest = std::min(fastest, elapsed.count());
  }
  return fastest;
}

void print_timing(const char* name, int kernel, int channels, bool depthwise) {
  Random random(9);
  ConvLayer layer = random_layer(random, channels, channels, depthwise, 100);
  layer.kernel = kernel;
  layer.stride = 1;
  layer.weight.assign(size_t{1} * kernel * kernel * channels * (depthwise ? 1 : channels), 3);
  layer.prepare();
  const Tensor<int16_t> x = random_tensor(random, 48, 64, channels);
  const double macs = 1.0 * x.height * x.width * static_cast<double>(layer.weight.size());
  for (const std::string& target : targets()) {
    set_target(target);
    const double seconds = fastest_seconds(layer, x);
    std::printf("%-14s C=%-4d %-7s %8.3f ms %7.2f GMAC/s\n", name, channels, target.c_str(),
                seconds * 1e3, macs / seconds * 1e-9);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 20;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  Random random(seed);
  for (int n = 0; n < rounds; ++n) {
    compare_layer(random);
    compare_network(random);
  }
  std::printf("%d rounds from seed %llu: equal\n", rounds, static_cast<unsigned long long>(seed));
  set_thread_count(1);
  for (const int channels : {128, 192}) {
    print_timing("1x1", 1, channels, false);
    print_timing("3x3", 3, channels, false);
    print_timing("3x3 depthwise", 3, channels, true);
  }
}
