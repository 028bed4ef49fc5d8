// Binds a convolution whose weights are packed once, for callers that run it many times: an array
// [H][W][C] in, an array [OH][OW][O] out, neither of them copied.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/value_range.h"
#include "bindings/bindings.h"
#include "nn/conv.h"
#include "nn/conv_uint8.h"

namespace py = pybind11;

namespace samebits {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

[[noreturn]] void refuse(const std::string& message) {
  fail(ErrorKind::invalid_argument, "PreparedConv: " + message);
}

template <class T>
std::vector<T> copy(const Array<T>& array) {
  return {array.data(), array.data() + array.size()};
}

class PreparedConv {
 public:
  PreparedConv(const Array<int16_t>& weight, const Array<int32_t>& bias,
               const Array<int32_t>& multiplier, const Array<int32_t>& shift, int lo, int hi,
               bool depthwise, int in_lo, int in_hi) {
    if (weight.ndim() != 4 || weight.shape(1) != weight.shape(2))
      refuse("weight must be (O, k, k, I), depthwise (C, k, k, 1)");
    if (*std::max_element(weight.shape(), weight.shape() + 4) > kMaxChannels)
      refuse("weight has a side above " + std::to_string(kMaxChannels));
    layer_.out_channels = static_cast<int>(weight.shape(0));
    layer_.in_channels = depthwise ? layer_.out_channels : static_cast<int>(weight.shape(3));
    layer_.kernel = static_cast<int>(weight.shape(1));
    layer_.depthwise = depthwise;
    layer_.weight = copy(weight);
    layer_.bias = copy(bias);
    layer_.multiplier = copy(multiplier);
    layer_.shift = copy(shift);
    layer_.lo = lo;
    layer_.hi = hi;
    layer_.in_lo = in_lo;
    layer_.in_hi = in_hi;
    layer_.prepare();
    if (accumulator_bound(layer_, std::max(std::abs(in_lo), std::abs(in_hi))) > INT32_MAX)
      refuse("a sum could leave int32 for these weights and inputs");
    if (in_lo >= 0 && in_hi <= 255 && !depthwise) uint8_.emplace(layer_);
  }

  Array<int16_t> run(const Array<int16_t>& x) const {
    check(x);
    Array<int16_t> out(out_shape(x));
    int16_t* to = out.mutable_data();
    py::gil_scoped_release release;
    conv2d(layer_, x.data(), static_cast<int>(x.shape(0)), static_cast<int>(x.shape(1)), to);
    return out;
  }

  Array<int16_t> run_uint8(const Array<uint8_t>& x) const {
    if (!uint8_) refuse("uint8 needs a dense layer and a range of inputs within 0..255");
    check(x);
    Array<int16_t> out(out_shape(x));
    int16_t* to = out.mutable_data();
    py::gil_scoped_release release;
    uint8_->run(x.data(), static_cast<int>(x.shape(0)), static_cast<int>(x.shape(1)), to);
    return out;
  }

 private:
  template <class T>
  void check(const Array<T>& x) const {
    if (x.ndim() != 3 || x.size() == 0 || x.shape(2) != layer_.in_channels)
      refuse("x must be (H, W, " + std::to_string(layer_.in_channels) + ") and not empty");
    if (x.shape(0) > INT32_MAX || x.shape(1) > INT32_MAX) refuse("a side of x is above 2^31 - 1");
    const auto [least, most] =
        range_of(std::span<const T>(x.data(), static_cast<size_t>(x.size())));
    if (least < layer_.in_lo || most > layer_.in_hi)
      refuse("x has values in " + std::to_string(least) + ".." + std::to_string(most) +
             ", promised were " + std::to_string(layer_.in_lo) + ".." +
             std::to_string(layer_.in_hi));
  }

  std::vector<py::ssize_t> out_shape(const py::array& x) const {
    return {x.shape(0), x.shape(1), layer_.out_channels};  // stride 1
  }

  ConvLayer layer_;
  std::optional<Uint8Conv> uint8_;
};

}  // namespace

void bind_prepared_conv(py::module_& m) {
  py::class_<PreparedConv>(m, "PreparedConv")
      .def(py::init<const Array<int16_t>&, const Array<int32_t>&, const Array<int32_t>&,
                    const Array<int32_t>&, int, int, bool, int, int>(),
           py::arg("weight").noconvert(), py::arg("bias").noconvert(),
           py::arg("multiplier").noconvert(), py::arg("shift").noconvert(), py::kw_only(),
           py::arg("lo"), py::arg("hi"), py::arg("depthwise"), py::arg("in_lo"), py::arg("in_hi"))
      .def("run", &PreparedConv::run, py::arg("x").noconvert())
      .def("run", &PreparedConv::run_uint8, py::arg("x").noconvert());
}

}  // namespace samebits
