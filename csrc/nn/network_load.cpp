// Reading a program and proving it (arithmetic.md 2 and 6). Whatever is accepted here can run on
// any input of a fitting size; everything else is refused.
#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "base/error.h"
#include "nn/network.h"

namespace samebits {
namespace {

constexpr int kColumns = 8;
constexpr int kRegisters = 64;
constexpr int64_t kMaxOperations = 4096;
constexpr int kMaxFactor = 64;
constexpr int kMaxNetworkChannels = 16384;
constexpr int64_t kLutSize = 65536;

}  // namespace

// Names as in the table of arithmetic.md 2.
class ProgramReader {
 public:
  ProgramReader(const WeightsFile& file, const std::string& prefix) : file_(file), prefix_(prefix) {
    registers_.fill(-1);
  }

  Network read(int in_channels, int in_lo, int in_hi) {
    if (in_channels < 1 || in_channels > kMaxNetworkChannels || in_lo < -32768 || in_hi > 32767 ||
        in_lo > in_hi)
      refuse("wrong input channels or range");
    net_.in_channels_ = in_channels;
    net_.values_.push_back({in_channels, in_lo, in_hi});
    registers_[0] = 0;
    const std::vector<int32_t> program = file_.i32(prefix_ + ".program", {-1, kColumns});
    const int64_t count = static_cast<int64_t>(program.size()) / kColumns;
    if (count < 1 || count > kMaxOperations) refuse("the program must have 1 to 4096 operations");
    for (row_ = 0; row_ < count; ++row_) read_operation(program.data() + row_ * kColumns);
    net_.make_stages();
    return std::move(net_);
  }

 private:
  using Opcode = Network::Opcode;
  using Value = Network::Value;

  [[noreturn]] void refuse(const std::string& message) const {
    fail(ErrorKind::invalid_argument,
         "network '" + prefix_ + "', operation " + std::to_string(row_) + ": " + message);
  }

  void require(bool condition, const char* message) const {
    if (!condition) refuse(message);
  }

  // The value in a register.
  int use(int32_t reg) {
    require(reg >= 0 && reg < kRegisters && registers_[reg] >= 0,
            "reads a register without a value");
    const int value = registers_[reg];
    return value;
  }

  void read_operation(const int32_t* row) {
    const int32_t code = row[0], dst = row[1], src2 = row[3];
    const int32_t* a = row + 4;
    require(code >= 1 && code <= 6, "unknown opcode");
    require(dst >= 0 && dst < kRegisters, "destination register is not in 0..63");
    Network::Operation op{static_cast<Opcode>(code), use(row[2]), -1, -1, 1, 0, 0};
    if (op.opcode == Opcode::add)
      op.src2 = use(src2);
    else
      require(src2 == -1, "src2 must be -1");
    const int columns_used = op.opcode == Opcode::conv                                ? 4
                             : op.opcode == Opcode::add || op.opcode == Opcode::clamp ? 2
                                                                                      : 1;
    for (int i = columns_used; i < 4; ++i) require(a[i] == 0, "an unused column is not 0");
    const Value result = read_result(op, a);
    net_.operations_.push_back(op);
    registers_[dst] = static_cast<int>(net_.values_.size());
    net_.values_.push_back(result);
  }

  // The rest of the operation, and what is known of its result.
  Value read_result(Network::Operation& op, const int32_t* a) {
    const Value src = net_.values_[op.src];
    switch (op.opcode) {
      case Opcode::conv:
        return read_conv(op, a, src);
      case Opcode::add:
        require(net_.values_[op.src2].channels == src.channels, "adds different channel counts");
        [[fallthrough]];
      case Opcode::clamp:
        return read_clamp(op, a, src.channels);
      case Opcode::unshuffle:
      case Opcode::shuffle:
        return read_shuffle(op, a[0], src);
      case Opcode::lut:
        return read_lut(op, a[0], src.channels);
    }
    refuse("unknown opcode");
  }

  Value read_clamp(Network::Operation& op, const int32_t* a, int channels) {
    require(a[0] >= -32768 && a[1] <= 32767 && a[0] <= a[1], "clamp is not within int16");
    op.lo = a[0];
    op.hi = a[1];
    return {channels, op.lo, op.hi};
  }

  Value read_shuffle(Network::Operation& op, int32_t factor, const Value& src) {
    require(factor >= 1 && factor <= kMaxFactor, "shuffle factor is not in 1..64");
    op.factor = factor;
    const int area = factor * factor;
    if (op.opcode == Opcode::unshuffle) {
      require(src.channels <= kMaxNetworkChannels / area, "more than 16384 channels");
      return {src.channels * area, src.lo, src.hi};
    }
    require(src.channels % area == 0, "shuffle does not divide the channels");
    return {src.channels / area, src.lo, src.hi};
  }

  Value read_lut(Network::Operation& op, int32_t number, int channels) {
    require(number >= 0, "negative layer number");
    const auto [place, is_new] =
        lut_of_number_.emplace(number, static_cast<int>(net_.luts_.size()));
    if (is_new)
      net_.luts_.push_back(file_.i16(prefix_ + "." + std::to_string(number) + ".lut", {kLutSize}));
    op.layer = place->second;
    const std::vector<int16_t>& lut = net_.luts_[op.layer];
    const auto [lo, hi] = std::minmax_element(lut.begin(), lut.end());
    return {channels, *lo, *hi};
  }

  Value read_conv(Network::Operation& op, const int32_t* a, const Value& src) {
    require(a[0] >= 0, "negative layer number");
    require(a[1] >= 0 && a[3] >= 0 && a[3] <= 1, "wrong kernel, stride or depthwise flag");
    ConvLayer layer;
    layer.in_channels = src.channels;
    layer.kernel = a[1] / 16;
    layer.stride = a[1] % 16;
    layer.leaky = a[2];
    layer.depthwise = a[3] == 1;
    layer.in_lo = src.lo;
    layer.in_hi = src.hi;
    // A layer may be used again, but is loaded once: a short file cannot ask for much memory.
    const auto [place, is_new] =
        layer_of_number_.emplace(a[0], static_cast<int>(net_.layers_.size()));
    if (is_new) net_.layers_.push_back(load_layer(layer, a[0]));
    op.layer = place->second;
    ConvLayer& loaded = net_.layers_[op.layer];
    require(is_new || (loaded.in_channels == layer.in_channels && loaded.kernel == layer.kernel &&
                       loaded.stride == layer.stride && loaded.leaky == layer.leaky &&
                       loaded.depthwise == layer.depthwise),
            "uses a layer again in another way");
    if (src.lo < loaded.in_lo || src.hi > loaded.in_hi) {  // a second use with a wider range
      loaded.in_lo = std::min(loaded.in_lo, src.lo);
      loaded.in_hi = std::max(loaded.in_hi, src.hi);
      loaded.prepare();
    }
    prove(loaded, src);
    return {loaded.out_channels, loaded.lo, loaded.hi};
  }

  ConvLayer load_layer(ConvLayer layer, int32_t number) const {
    const std::string name = prefix_ + "." + std::to_string(number);
    const std::vector<int64_t> shape = file_.shape(name + ".weight");
    require(shape.size() == 4 && shape[0] >= 1 && shape[0] <= kMaxNetworkChannels,
            "weights are not [1..16384][k][k][I]");
    layer.out_channels = static_cast<int>(shape[0]);
    layer.weight = file_.i16(name + ".weight", {shape[0], layer.kernel, layer.kernel,
                                                layer.depthwise ? 1 : layer.in_channels});
    layer.bias = file_.i32(name + ".bias", {shape[0]});
    layer.multiplier = file_.i32(name + ".multiplier", {shape[0]});
    layer.shift = file_.i32(name + ".shift", {shape[0]});
    const std::vector<int32_t> limits = file_.i32(name + ".clamp", {2});
    layer.lo = limits[0];
    layer.hi = limits[1];
    try {
      layer.prepare();
    } catch (const Error& error) {
      refuse(error.what());
    }
    return layer;
  }

  // Section 6: no accumulator can overflow.
  void prove(const ConvLayer& layer, const Value& src) const {
    const int64_t bound = accumulator_bound(layer, std::max(-src.lo, src.hi));
    if (bound > INT32_MAX)
      refuse("accumulators could reach " + std::to_string(bound) + ", which is beyond int32");
  }

  const WeightsFile& file_;
  std::string prefix_;
  Network net_;
  std::array<int, kRegisters> registers_;
  std::map<int32_t, int> layer_of_number_, lut_of_number_;
  int64_t row_ = 0;
};

Network Network::load(const WeightsFile& file, const std::string& prefix, int in_channels,
                      int in_lo, int in_hi) {
  return ProgramReader(file, prefix).read(in_channels, in_lo, in_hi);
}

bool Network::pointwise() const {
  for (size_t n = 0; n < operations_.size(); ++n) {
    const Operation& op = operations_[n];
    if (op.opcode != Opcode::conv || op.src != static_cast<int>(n)) return false;
    const ConvLayer& layer = layers_[op.layer];
    if (layer.kernel != 1 || layer.stride != 1 || layer.depthwise) return false;
  }
  return layers_.size() == operations_.size();
}

}  // namespace samebits
