// Networks: random programs against a naive interpreter, strips against the whole, and programs
// that must be refused.
#include "base/threads.h"
#include "check.h"
#include "nn/network.h"
#include "nn/row_pipeline.h"
#include "nn/target.h"
#include "random_network.h"

using namespace samebits;

namespace {

bool equal(const Tensor<int16_t>& a, const Tensor<int16_t>& b) {
  return a.height == b.height && a.width == b.width && a.channels == b.channels && a.data == b.data;
}

// Smallest budget that run accepts, by bisection.
int64_t least_budget(const Network& net, const Tensor<int16_t>& x) {
  int64_t refused = 0, accepted = net.working_set_bytes(x.height, x.width);
  while (accepted - refused > 1) {
    const int64_t budget = refused + (accepted - refused) / 2;
    try {
      net.run(x, budget);
      accepted = budget;
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::limit_exceeded);
      refused = budget;
    }
  }
  return accepted;
}

void random_programs() {
  Random random(1);
  int strips_seen = 0;
  for (int n = 0; n < 120; ++n) {
    const RandomNetwork description = random_network(random);
    const Network net =
        Network::load(description.builder.file(), "net", description.in_channels, -32768, 32767);
    const Tensor<int16_t> x =
        random_tensor(random, static_cast<int>(random.between(1, 10)) * description.unit,
                      static_cast<int>(random.between(1, 8)) * description.unit, net.in_channels());
    const auto expected = reference_run(description, x);
    for (const std::string& name : targets()) {
      set_target(name);
      for (const int threads : {1, 3}) {
        set_thread_count(threads);
        CHECK(equal(net.run(x), expected.back()));
      }
      const auto all = net.run_all(x);
      CHECK(all.size() == expected.size());
      for (size_t i = 0; i < all.size(); ++i) CHECK(equal(all[i], expected[i]));
    }
    const int64_t whole = net.working_set_bytes(x.height, x.width);
    const int64_t least = least_budget(net, x);
    strips_seen += least < whole;
    for (const int64_t budget : {least, (least + whole) / 2, whole})
      CHECK(equal(net.run(x, budget), expected.back()));
    const Network::Size size = net.output_size(x.height, x.width);
    CHECK(size.height == expected.back().height && size.width == expected.back().width);
    for (int16_t v : expected.back().data) CHECK(v >= net.out_lo() && v <= net.out_hi());
  }
  CHECK(strips_seen > 60);
}

void strips_from_callbacks() {
  Random random(2);
  for (int n = 0; n < 40; ++n) {
    const RandomNetwork description = random_network(random);
    const Network net =
        Network::load(description.builder.file(), "net", description.in_channels, -32768, 32767);
    const Tensor<int16_t> x =
        random_tensor(random, 12 * description.unit, 5 * description.unit, net.in_channels());
    const Tensor<int16_t> expected = net.run(x);
    Tensor<int16_t> out(expected.height, expected.width, expected.channels);
    int next_row = 0;
    int next_row_read = 0;
    const auto read = [&](int begin, int end, int16_t* rows) {
      CHECK(begin == next_row_read && begin < end && end <= x.height);
      next_row_read = end;
      std::copy(x.at(begin, 0), x.at(end, 0), rows);
    };
    const auto write = [&](int begin, int end, const int16_t* rows) {
      CHECK(begin == next_row && begin < end);
      next_row = end;
      std::copy_n(rows, out.at(end, 0) - out.at(begin, 0), out.at(begin, 0));
    };
    net.run_rows(x.height, x.width, net.smallest_strip_bytes(x.height, x.width), {.read = read},
                 {.write = write});
    CHECK(next_row == out.height);
    CHECK(equal(out, expected));
  }
}

// The memory that is taken is the memory that was promised.
void promised_bytes() {
  Random random(3);
  for (int n = 0; n < 40; ++n) {
    const RandomNetwork description = random_network(random);
    const Network net =
        Network::load(description.builder.file(), "net", description.in_channels, -32768, 32767);
    const std::vector<Network::Size> sizes =
        net.value_sizes(40 * description.unit, 3 * description.unit);
    const Network::Input input{.read = [](int, int, int16_t*) {}};
    const Network::Output output{.write = [](int, int, const int16_t*) {}};
    const int unit = RowPipeline::strip_unit(sizes);
    for (const int strip : {unit, 3 * unit, sizes.back().height}) {
      RowPipeline pipeline(net, sizes, strip, input, output);
      pipeline.run();
      CHECK(pipeline.held_bytes() == RowPipeline::bytes(net, sizes, strip, input, output));
    }
  }
}

// A program of one 1 x 1 convolution, for changing one thing at a time.
struct Simple {
  WeightsBuilder builder;
  std::vector<int32_t> program = {1, 1, 0, -1, 0, 17, -1, 0};
  ConvLayer layer;

  Simple() {
    layer.in_channels = 2;
    layer.out_channels = 4;
    layer.weight = {1, 2, 3, 4, 5, 6, 7, 8};
    layer.bias = {0, 0, 0, 0};
    layer.multiplier = {32768, 32768, 32768, 32768};
    layer.shift = {16, 16, 16, 16};
  }

  Network load(int in_lo = -32768, int in_hi = 32767) {
    builder.add_layer("net.0", layer);
    builder.add("net.program", "I32", {static_cast<int64_t>(program.size() / 8), 8}, program);
    return Network::load(builder.file(), "net", 2, in_lo, in_hi);
  }
};

void inputs_beyond_promise() {
  Tensor<int16_t> x(1, 1, 2);
  x.data = {100, -100};
  Simple().load(-100, 100).run(x);
  CHECK_FAILS(invalid_argument, "-100..100, promised were -99..100",
              Simple().load(-99, 100).run(x));
  CHECK_FAILS(invalid_argument, "promised were -100..99", Simple().load(-100, 99).run_all(x));
}

void refused_programs() {
  Simple().load();
  CHECK(Simple().load().pointwise());
  const auto refused = [](const char* part, auto change) {
    Simple simple;
    change(simple);
    CHECK_FAILS(invalid_argument, part, simple.load());
  };
  refused("unknown opcode", [](Simple& s) { s.program[0] = 7; });
  refused("unknown opcode", [](Simple& s) { s.program[0] = 0; });
  refused("destination", [](Simple& s) { s.program[1] = 64; });
  refused("destination", [](Simple& s) { s.program[1] = -1; });
  refused("without a value", [](Simple& s) { s.program[2] = 1; });
  refused("without a value", [](Simple& s) { s.program[2] = -1; });
  refused("without a value", [](Simple& s) { s.program[2] = INT32_MAX; });
  refused("src2", [](Simple& s) { s.program[3] = 0; });
  refused("no tensor 'net.1.weight'", [](Simple& s) { s.program[4] = 1; });
  refused("negative layer", [](Simple& s) { s.program[4] = -1; });
  refused("needs [4, 3, 3, 2]", [](Simple& s) { s.program[5] = 49; });
  refused("stride 3", [](Simple& s) { s.program[5] = 19; });
  refused("stride 0", [](Simple& s) { s.program[5] = 16; });
  refused("leaky", [](Simple& s) { s.program[6] = 16; });
  refused("leaky", [](Simple& s) { s.program[6] = -2; });
  refused("depthwise", [](Simple& s) { s.program[7] = 2; });
  refused("needs [4, 1, 1, 1]", [](Simple& s) { s.program[7] = 1; });
  refused("1 to 4096 operations", [](Simple& s) { s.program.clear(); });
  refused("shift 47", [](Simple& s) { s.layer.shift[1] = 47; });
  refused("multiplier 65536", [](Simple& s) { s.layer.multiplier[1] = 65536; });
  refused("within int16", [](Simple& s) { s.layer.hi = 40000; });
  const auto then = [](std::vector<int32_t> row) {
    return [row](Simple& s) { s.program.insert(s.program.end(), row.begin(), row.end()); };
  };
  refused("different channel counts", then({2, 2, 1, 0, -1, 1, 0, 0}));
  refused("within int16", then({2, 2, 1, 1, 1, 0, 0, 0}));
  refused("within int16", then({5, 2, 1, -1, -32769, 0, 0, 0}));
  refused("unused column", then({5, 2, 1, -1, -3, 3, 1, 0}));
  refused("unused column", then({4, 2, 1, -1, 2, 1, 0, 0}));
  refused("factor", then({3, 2, 1, -1, 0, 0, 0, 0}));
  refused("factor", then({3, 2, 1, -1, 65, 0, 0, 0}));
  refused("does not divide", then({4, 2, 1, -1, 4, 0, 0, 0}));
  refused("more than 16384", then({3, 2, 1, -1, 64, 0, 0, 0, 3, 2, 2, -1, 64, 0, 0, 0}));
  refused("no tensor 'net.9.lut'", then({6, 2, 1, -1, 9, 0, 0, 0}));
  refused("in another way", then({1, 2, 0, -1, 0, 18, -1, 0}));
}

// Section 6: the bound itself is accepted, one more is refused.
void overflow_proof() {
  Simple simple;
  simple.layer.weight = {0, 0, 0, 0, 32767, 32766, 0, 0};
  // 65533 * 32768 = 2147385344, which leaves 98303.
  simple.layer.bias = {0, 0, 98303, 0};
  simple.load();
  simple.layer.bias[2] = -98303;
  simple.load();
  simple.layer.bias[2] = 98304;
  CHECK_FAILS(invalid_argument, "could reach 2147483648", simple.load());
  simple.load(-32767, 32767);  // smaller inputs leave more
  simple.layer.bias = {INT32_MIN, 0, 0, 0};
  CHECK_FAILS(invalid_argument, "beyond int32", simple.load(-1, 1));

  // The range of a value is that of the operation that made it.
  Simple chain;
  chain.layer.out_channels = 2;
  chain.layer.weight = {30000, 30000, 30000, 30000};
  chain.layer.bias.resize(2);
  chain.layer.multiplier.resize(2);
  chain.layer.shift.resize(2);
  chain.program = {5, 1, 0, -1, -20000, 20000, 0, 0, 1, 2, 1, -1, 0, 17, -1, 0};
  chain.load();
  chain.program[5] = 32767;
  chain.layer.weight = {32767, 32767, 32767, 32767};
  chain.load();  // 65534 * 32767 is still below 2^31
  chain.layer.bias[1] = 200000;
  CHECK_FAILS(invalid_argument, "operation 1: accumulators", chain.load());
}

void refused_inputs() {
  Simple simple;
  simple.program.insert(simple.program.end(), {3, 2, 1, -1, 2, 0, 0, 0});
  const Network net = simple.load();
  CHECK_FAILS(invalid_argument, "multiple of 2", net.run(Tensor<int16_t>(3, 4, 2)));
  CHECK_FAILS(invalid_argument, "has 3 channels", net.run(Tensor<int16_t>(4, 4, 3)));
  CHECK_FAILS(invalid_argument, "not in 1..2^30", net.run(Tensor<int16_t>(0, 4, 2)));
  CHECK_FAILS(invalid_argument, "2^35", net.working_set_bytes(1 << 20, 1 << 20));
  CHECK_FAILS(limit_exceeded, "bytes allowed", net.run(Tensor<int16_t>(4, 4, 2), 10));
  Simple strided;
  strided.layer.out_channels = 2;
  strided.layer.weight.resize(4);
  strided.layer.bias.resize(2);
  strided.layer.multiplier.resize(2);
  strided.layer.shift.resize(2);
  strided.program = {1, 1, 0, -1, 0, 18, -1, 0, 2, 1, 1, 0, -9, 9, 0, 0};
  CHECK_FAILS(invalid_argument, "adds", strided.load().run(Tensor<int16_t>(4, 4, 2)));
  CHECK(strided.load().run(Tensor<int16_t>(1, 1, 2)).data.size() == 2);
}

// Random numbers in the program and random damage to the file: refused or run, never harmful.
void damaged_programs() {
  Random random(3);
  int accepted = 0;
  for (int n = 0; n < 3000; ++n) {
    Simple simple;
    simple.program.insert(simple.program.end(),
                          {2, 2, 1, 1, -99, 99, 0, 0, 4, 3, 2, -1, 2, 0, 0, 0});
    for (int64_t edits = random.between(1, 3); edits > 0; --edits)
      simple.program[random.between(0, 23)] = static_cast<int32_t>(
          random.one_in(4) ? static_cast<int32_t>(random.bits32()) : random.between(-2, 7));
    try {
      const Network net = simple.load();
      net.run(Tensor<int16_t>(4, 4, 2));
      ++accepted;
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::invalid_argument);
    }
  }
  CHECK(accepted > 10);
}

}  // namespace

int main() {
  inputs_beyond_promise();
  refused_programs();
  overflow_proof();
  refused_inputs();
  damaged_programs();
  random_programs();
  strips_from_callbacks();
  promised_bytes();
}
