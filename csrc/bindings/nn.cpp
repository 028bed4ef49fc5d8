// Binds csrc/nn: convolutions over whole arrays, targets, threads, weights files and networks.
// samebits.kernels.conv checks dtypes and dimensions; here arrays are contiguous and typed.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "base/value_range.h"
#include "bindings/bindings.h"
#include "nn/conv_general.h"
#include "nn/network.h"
#include "nn/requantize.h"
#include "nn/target.h"
#include "nn/weights_file.h"

namespace py = pybind11;

namespace samebits {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

template <class T>
std::vector<T> copy(const Array<T>& array) {
  return {array.data(), array.data() + array.size()};
}

int to_int(py::ssize_t size) {
  if (size > INT32_MAX) fail(ErrorKind::invalid_argument, "an array side is above 2^31 - 1");
  return static_cast<int>(size);
}

void require_dimensions(const py::array& array, int dimensions, const char* name) {
  if (array.ndim() != dimensions)
    fail(ErrorKind::invalid_argument, std::string(name) + " has " + std::to_string(array.ndim()) +
                                          " dimensions, needs " + std::to_string(dimensions));
}

ConvAlgorithm parse_algorithm(const std::string& name) {
  constexpr std::pair<const char*, ConvAlgorithm> kNames[] = {
      {"auto", ConvAlgorithm::automatic},          {"direct", ConvAlgorithm::direct},
      {"winograd2", ConvAlgorithm::winograd2},     {"winograd2x3", ConvAlgorithm::winograd2x3},
      {"winograd2x4", ConvAlgorithm::winograd2x4}, {"winograd3", ConvAlgorithm::winograd3},
      {"winograd3x4", ConvAlgorithm::winograd3x4}, {"winograd4", ConvAlgorithm::winograd4}};
  std::string known;
  for (const auto& [text, algorithm] : kNames) {
    if (name == text) return algorithm;
    known += std::string(" ") + text;
  }
  fail(ErrorKind::invalid_argument, "algorithm is '" + name + "'; there are" + known);
}

// Packing the weights of a Winograd algorithm takes as long as it saves in so many pixels.
constexpr int64_t kPixelsWorthPacking = 2048;

// A batch [N][H][W][C], one picture after another.
template <class T>
struct ConvCall {
  const T* x;
  int batch, height, width;
  GeneralConv conv;
  int out_height, out_width, out_channels;

  int64_t out_pixels() const { return int64_t{out_height} * out_width; }
  const T* picture(int n, int in_channels) const {
    return x + int64_t{n} * height * width * in_channels;
  }
};

template <class T>
ConvCall<T> make_call(const Array<T>& x, const Array<int16_t>& weight, const Array<int32_t>& bias,
                      int stride, int padding, int groups, const std::string& algorithm,
                      const std::optional<Requantization>& requantization = std::nullopt) {
  require_dimensions(x, 4, "x");
  require_dimensions(weight, 4, "weight");
  require_dimensions(bias, 1, "bias");
  for (int axis = 1; axis < 4; ++axis)
    if (x.shape(axis) == 0) fail(ErrorKind::invalid_argument, "conv2d: x has a side of 0");
  const ConvShape shape{to_int(x.shape(3)),
                        to_int(weight.shape(0)),
                        to_int(weight.shape(1)),
                        to_int(weight.shape(2)),
                        stride,
                        padding,
                        groups};
  if (groups < 1 || weight.shape(3) * groups != x.shape(3))
    fail(ErrorKind::invalid_argument, "conv2d: weight is for " + std::to_string(weight.shape(3)) +
                                          " channels in each of " + std::to_string(groups) +
                                          " groups, but x has " + std::to_string(x.shape(3)));
  const int height = to_int(x.shape(1)), width = to_int(x.shape(2));
  const auto [lo, hi] = range_of(std::span<const T>(x.data(), static_cast<size_t>(x.size())));
  ConvAlgorithm chosen = parse_algorithm(algorithm);
  if (chosen == ConvAlgorithm::automatic &&
      int64_t{x.shape(0)} * height * width < kPixelsWorthPacking)
    chosen = ConvAlgorithm::direct;
  const InputType type = std::is_same_v<T, uint8_t> ? InputType::uint8 : InputType::int16;
  GeneralConv conv(shape, copy(weight), copy(bias), {type, lo, hi}, chosen, requantization);
  const int out_height = conv.out_height(height), out_width = conv.out_width(width);
  return {x.data(),        to_int(x.shape(0)), height,    width,
          std::move(conv), out_height,         out_width, shape.out_channels};
}

template <class T>
std::vector<py::ssize_t> out_shape(const ConvCall<T>& call) {
  return {call.batch, call.out_height, call.out_width, call.out_channels};
}

template <class T>
Array<int32_t> py_conv2d(const Array<T>& x, const Array<int16_t>& weight,
                         const Array<int32_t>& bias, int stride, int padding, int groups,
                         const std::string& algorithm) {
  const ConvCall<T> call = make_call(x, weight, bias, stride, padding, groups, algorithm);
  const int in_channels = to_int(x.shape(3));
  Array<int32_t> out(out_shape(call));
  int32_t* to = out.mutable_data();
  py::gil_scoped_release release;
  for (int n = 0; n < call.batch; ++n, to += call.out_pixels() * call.out_channels)
    call.conv.run(call.picture(n, in_channels), call.height, call.width, to);
  return out;
}

Requantization make_requantization(const Array<int32_t>& multiplier, const Array<int32_t>& shift,
                                   int leaky, int lo, int hi, int channels) {
  const auto refuse = [](const std::string& message) {
    fail(ErrorKind::invalid_argument, "conv2d_requantized: " + message);
  };
  if (multiplier.size() != channels || shift.size() != channels)
    refuse("multiplier and shift need one entry for each of the " + std::to_string(channels) +
           " output channels");
  Requantization r{copy(multiplier), copy(shift), leaky, lo, hi};
  for (int32_t m : r.multiplier)
    if (m < 0 || m > kMaxMultiplier) refuse("multiplier must be in 0..65535");
  for (int32_t s : r.shift)
    if (s < kMinShift || s > kMaxShift) refuse("shift must be in 1..46");
  if (leaky < -1 || leaky > kMaxLeaky) refuse("leaky must be None or in 0..15");
  if (lo < -32768 || hi > 32767 || lo > hi) refuse("clamp must be (lo, hi) within int16, lo <= hi");
  return r;
}

template <class T>
Array<int16_t> py_conv2d_requantized(const Array<T>& x, const Array<int16_t>& weight,
                                     const Array<int32_t>& bias, const Array<int32_t>& multiplier,
                                     const Array<int32_t>& shift, int leaky, int lo, int hi,
                                     int stride, int padding, int groups,
                                     const std::string& algorithm) {
  require_dimensions(weight, 4, "weight");
  const Requantization requantization =
      make_requantization(multiplier, shift, leaky, lo, hi, to_int(weight.shape(0)));
  const ConvCall<T> call =
      make_call(x, weight, bias, stride, padding, groups, algorithm, requantization);
  const int in_channels = to_int(x.shape(3));
  Array<int16_t> out(out_shape(call));
  int16_t* to = out.mutable_data();
  py::gil_scoped_release release;
  for (int n = 0; n < call.batch; ++n, to += call.out_pixels() * call.out_channels)
    call.conv.run(call.picture(n, in_channels), call.height, call.width, to);
  return out;
}

Tensor<int16_t> to_tensor(const Array<int16_t>& array) {
  require_dimensions(array, 3, "the network's input");
  Tensor<int16_t> tensor(to_int(array.shape(0)), to_int(array.shape(1)), to_int(array.shape(2)));
  std::copy_n(array.data(), tensor.data.size(), tensor.data.begin());
  return tensor;
}

Array<int16_t> to_array(const Tensor<int16_t>& tensor) {
  Array<int16_t> array(std::vector<py::ssize_t>{tensor.height, tensor.width, tensor.channels});
  std::copy_n(tensor.data.begin(), tensor.data.size(), array.mutable_data());
  return array;
}

Array<int16_t> py_run(const Network& net, const Array<int16_t>& x, int64_t budget_bytes) {
  const Tensor<int16_t> in = to_tensor(x);
  Tensor<int16_t> out;
  {
    py::gil_scoped_release release;
    out = net.run(in, budget_bytes);
  }
  return to_array(out);
}

std::vector<Array<int16_t>> py_run_all(const Network& net, const Array<int16_t>& x) {
  std::vector<Array<int16_t>> arrays;
  for (const Tensor<int16_t>& value : net.run_all(to_tensor(x))) arrays.push_back(to_array(value));
  return arrays;
}

WeightsFile parse_weights(const py::bytes& bytes) {
  const std::string_view view = bytes;
  return WeightsFile::parse({view.begin(), view.end()});
}

Array<int32_t> tensor_of(const WeightsFile& file, const std::string& name) {
  const std::vector<int64_t> shape = file.shape(name);
  const std::vector<int32_t> values = file.i32(name, shape);
  Array<int32_t> array(std::vector<py::ssize_t>(shape.begin(), shape.end()));
  std::copy(values.begin(), values.end(), array.mutable_data());
  return array;
}

template <class T>
void bind_convolutions(py::module_& m) {
  m.def("conv2d", &py_conv2d<T>, py::arg("x").noconvert(), py::arg("weight").noconvert(),
        py::arg("bias").noconvert(), py::kw_only(), py::arg("stride"), py::arg("padding"),
        py::arg("groups"), py::arg("algorithm"));
  m.def("conv2d_requantized", &py_conv2d_requantized<T>, py::arg("x").noconvert(),
        py::arg("weight").noconvert(), py::arg("bias").noconvert(), py::kw_only(),
        py::arg("multiplier").noconvert(), py::arg("shift").noconvert(), py::arg("leaky"),
        py::arg("lo"), py::arg("hi"), py::arg("stride"), py::arg("padding"), py::arg("groups"),
        py::arg("algorithm"));
}

void bind_networks(py::module_& m) {
  py::class_<WeightsFile>(m, "WeightsFile")
      .def(py::init(&parse_weights), py::arg("bytes"))
      .def_property_readonly("names", &WeightsFile::names)
      .def_property_readonly("sha256",
                             [](const WeightsFile& file) {
                               return py::bytes(reinterpret_cast<const char*>(file.sha256().data()),
                                                file.sha256().size());
                             })
      .def("tensor", &tensor_of, py::arg("name"), "Values of a tensor, int32");
  py::class_<Network>(m, "Network")
      .def(py::init(&Network::load), py::arg("file"), py::arg("prefix"), py::kw_only(),
           py::arg("in_channels"), py::arg("in_lo"), py::arg("in_hi"))
      .def_property_readonly("out_channels", &Network::out_channels)
      .def_property_readonly(
          "out_range",
          [](const Network& net) { return py::make_tuple(net.out_lo(), net.out_hi()); })
      .def_property_readonly("pointwise", &Network::pointwise)
      .def("working_set_bytes", &Network::working_set_bytes, py::arg("height"), py::arg("width"))
      .def("run", &py_run, py::arg("x").noconvert(), py::kw_only(),
           py::arg("budget_bytes") = INT64_MAX)
      .def("run_all", &py_run_all, py::arg("x").noconvert());
}

}  // namespace

void bind_nn(py::module_& m) {
  m.def("target", [] { return target_name(target()); });
  m.def("targets", &targets);
  m.def("set_target", &set_target, py::arg("name"));
  m.def("thread_count", &thread_count);
  m.def("keep_to_this_thread", &keep_to_this_thread);
  m.def("set_thread_count", &set_thread_count, py::arg("n"));
  bind_convolutions<int16_t>(m);
  bind_convolutions<uint8_t>(m);
  bind_networks(m);
}

}  // namespace samebits
