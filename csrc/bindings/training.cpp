// Binds csrc/training: passes of layers over arrays that torch owns. Nothing is copied; results go
// to arrays of the caller.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "bindings/bindings.h"
#include "training/layers.h"

namespace py = pybind11;

namespace samebits {
namespace {

using Floats = py::array_t<float, py::array::c_style>;
using Bytes = py::array_t<uint8_t, py::array::c_style>;
using Sizes = std::vector<py::ssize_t>;
using training::Precision;

constexpr int kBlockParameters = 10;  // w1, b1, wd, bd, w2, b2, w3, b3, w4, b4
using BlockArrays = std::array<Floats, kBlockParameters>;

[[noreturn]] void refuse(const std::string& message) {
  fail(ErrorKind::invalid_argument, message);
}

Precision precision_of(const std::string& name) {
  if (name == "fp32") return Precision::fp32;
  if (name == "bf16") return Precision::bf16;
  refuse("precision is '" + name + "', must be 'fp32' or 'bf16'");
}

std::string name_of(Precision precision) {
  return precision == Precision::fp32 ? "fp32" : "bf16";
}

std::string text(const Sizes& shape) {
  std::string sizes = "(";
  for (const py::ssize_t size : shape)
    sizes += (sizes.size() > 1 ? ", " : "") + std::to_string(size);
  return sizes + ")";
}

Sizes shape_of(const py::array& array) {
  return {array.shape(), array.shape() + array.ndim()};
}

void check_shape(const char* name, const py::array& array, const Sizes& wanted) {
  const Sizes shape = shape_of(array);
  if (shape != wanted)
    refuse(std::string(name) + " has shape " + text(shape) + ", must be " + text(wanted));
}

int checked_size(py::ssize_t size) {
  if (size > 1 << 20) refuse("a size is " + std::to_string(size) + ", must be at most 2^20");
  return static_cast<int>(size);
}

training::BlockShape block_shape(const Sizes& x, py::ssize_t inner, py::ssize_t kernel) {
  if (x.size() != 4) refuse("x has shape " + text(x) + ", must be (B, H, W, C)");
  const training::BlockShape shape{x[0],
                                   checked_size(x[1]),
                                   checked_size(x[2]),
                                   checked_size(x[3]),
                                   checked_size(inner),
                                   checked_size(kernel)};
  training::check(shape);
  return shape;
}

void check_parameters(const BlockArrays& arrays, const training::BlockShape& shape) {
  const py::ssize_t c = shape.channels, e = shape.inner, k = shape.kernel;
  const Sizes wanted[kBlockParameters] = {{c, c}, {c},    {c, k, k}, {c},    {c, c},
                                          {c},    {e, c}, {e},       {c, e}, {c}};
  const char* const names[kBlockParameters] = {"w1", "b1", "wd", "bd", "w2",
                                               "b2", "w3", "b3", "w4", "b4"};
  for (int i = 0; i < kBlockParameters; ++i) check_shape(names[i], arrays[i], wanted[i]);
}

training::BlockShape shape_of(const Floats& x, const BlockArrays& parameters) {
  if (parameters[2].ndim() != 3 || parameters[6].ndim() != 2)
    refuse("wd must be (C, k, k) and w3 (E, C)");
  const training::BlockShape shape =
      block_shape(shape_of(x), parameters[6].shape(0), parameters[2].shape(1));
  check_parameters(parameters, shape);
  return shape;
}

training::BlockParameters<const float> pointers(const BlockArrays& p) {
  return {p[0].data(), p[1].data(), p[2].data(), p[3].data(), p[4].data(),
          p[5].data(), p[6].data(), p[7].data(), p[8].data(), p[9].data()};
}

training::BlockParameters<float> mutable_pointers(BlockArrays& p) {
  return {p[0].mutable_data(), p[1].mutable_data(), p[2].mutable_data(), p[3].mutable_data(),
          p[4].mutable_data(), p[5].mutable_data(), p[6].mutable_data(), p[7].mutable_data(),
          p[8].mutable_data(), p[9].mutable_data()};
}

void check_saved(const Bytes& saved, const training::BlockShape& shape, Precision precision) {
  check_shape("saved", saved, {training::block_saved_bytes(shape, precision)});
}

void block_forward(const Floats& x, const BlockArrays& parameters, Floats& out, Bytes& saved,
                   float slope, const std::string& precision_name) {
  const Precision precision = precision_of(precision_name);
  const training::BlockShape shape = shape_of(x, parameters);
  check_shape("out", out, shape_of(x));
  check_saved(saved, shape, precision);
  const training::BlockForward pass{
      shape,    pointers(parameters), slope,
      x.data(), out.mutable_data(),   reinterpret_cast<std::byte*>(saved.mutable_data())};
  py::gil_scoped_release release;
  training::run(pass, precision);
}

void block_backward(const Floats& x, const BlockArrays& parameters, const Floats& grad_out,
                    const Bytes& saved, Floats& grad_x, BlockArrays& gradients, float slope,
                    const std::string& precision_name) {
  const Precision precision = precision_of(precision_name);
  const training::BlockShape shape = shape_of(x, parameters);
  check_shape("grad_out", grad_out, shape_of(x));
  check_shape("grad_x", grad_x, shape_of(x));
  check_parameters(gradients, shape);
  check_saved(saved, shape, precision);
  const training::BlockBackward pass{shape,
                                     pointers(parameters),
                                     slope,
                                     x.data(),
                                     grad_out.data(),
                                     reinterpret_cast<const std::byte*>(saved.data()),
                                     grad_x.mutable_data(),
                                     mutable_pointers(gradients)};
  py::gil_scoped_release release;
  training::run(pass, precision);
}

struct PointwiseSizes {
  py::ssize_t pixels, inputs, outputs;
};

PointwiseSizes pointwise_sizes(const Floats& x, const Floats& weight) {
  if (x.ndim() != 2) refuse("x has shape " + text(shape_of(x)) + ", must be (P, I)");
  if (weight.ndim() != 2) refuse("weight has shape " + text(shape_of(weight)) + ", must be (O, I)");
  const PointwiseSizes sizes{x.shape(0), x.shape(1), weight.shape(0)};
  check_shape("weight", weight, {sizes.outputs, sizes.inputs});
  training::check_pointwise(sizes.pixels, checked_size(sizes.inputs), checked_size(sizes.outputs));
  return sizes;
}

void pointwise_forward(const Floats& x, const Floats& weight, const Floats& bias, Floats& out,
                       std::optional<float> slope, const std::string& precision) {
  const PointwiseSizes sizes = pointwise_sizes(x, weight);
  check_shape("bias", bias, {sizes.outputs});
  check_shape("out", out, {sizes.pixels, sizes.outputs});
  const training::PointwiseForward pass{sizes.pixels,
                                        static_cast<int>(sizes.inputs),
                                        static_cast<int>(sizes.outputs),
                                        weight.data(),
                                        bias.data(),
                                        slope.has_value(),
                                        slope.value_or(1.0f),
                                        x.data(),
                                        out.mutable_data()};
  const Precision chosen = precision_of(precision);
  py::gil_scoped_release release;
  training::run(pass, chosen);
}

void pointwise_backward(const Floats& x, const Floats& weight, const std::optional<Floats>& out,
                        const Floats& grad_out, std::optional<Floats> grad_x, Floats& grad_weight,
                        Floats& grad_bias, std::optional<float> slope,
                        const std::string& precision) {
  const PointwiseSizes sizes = pointwise_sizes(x, weight);
  if (slope.has_value() != out.has_value()) refuse("out is needed with a slope, and only then");
  if (out) check_shape("out", *out, {sizes.pixels, sizes.outputs});
  check_shape("grad_out", grad_out, {sizes.pixels, sizes.outputs});
  if (grad_x) check_shape("grad_x", *grad_x, {sizes.pixels, sizes.inputs});
  check_shape("grad_weight", grad_weight, {sizes.outputs, sizes.inputs});
  check_shape("grad_bias", grad_bias, {sizes.outputs});
  const training::PointwiseBackward pass{sizes.pixels,
                                         static_cast<int>(sizes.inputs),
                                         static_cast<int>(sizes.outputs),
                                         weight.data(),
                                         slope.has_value(),
                                         slope.value_or(1.0f),
                                         x.data(),
                                         out ? out->data() : nullptr,
                                         grad_out.data(),
                                         grad_x ? grad_x->mutable_data() : nullptr,
                                         grad_weight.mutable_data(),
                                         grad_bias.mutable_data()};
  const Precision chosen = precision_of(precision);
  py::gil_scoped_release release;
  training::run(pass, chosen);
}

void bind_block(py::module_& m) {
  m.def(
      "block_saved_bytes",
      [](const Sizes& x, py::ssize_t inner, py::ssize_t kernel, const std::string& precision) {
        return training::block_saved_bytes(block_shape(x, inner, kernel), precision_of(precision));
      },
      "Bytes that the forward pass of a depthwise block keeps for the backward pass",
      py::arg("shape"), py::kw_only(), py::arg("inner"), py::arg("kernel"), py::arg("precision"));
  m.def("block_forward", block_forward,
        "A depthwise block of x (B, H, W, C) to out, with w1, b1, wd, bd, w2, b2, w3, b3, w4, b4",
        py::arg("x").noconvert(), py::arg("parameters").noconvert(), py::arg("out").noconvert(),
        py::arg("saved").noconvert(), py::kw_only(), py::arg("slope"), py::arg("precision"));
  m.def("block_backward", block_backward, "Its gradients, to grad_x and gradients",
        py::arg("x").noconvert(), py::arg("parameters").noconvert(),
        py::arg("grad_out").noconvert(), py::arg("saved").noconvert(),
        py::arg("grad_x").noconvert(), py::arg("gradients").noconvert(), py::kw_only(),
        py::arg("slope"), py::arg("precision"));
}

}  // namespace

void bind_training(py::module_& m) {
  py::module_ sub = m.def_submodule("training", "Layers of the float networks, for training");
  bind_block(sub);
  sub.def("pointwise_forward", pointwise_forward,
          "x (P, I) to out (P, O): W x + b, then leaky with the slope if there is one",
          py::arg("x").noconvert(), py::arg("weight").noconvert(), py::arg("bias").noconvert(),
          py::arg("out").noconvert(), py::kw_only(), py::arg("slope"), py::arg("precision"));
  sub.def("pointwise_backward", pointwise_backward, "Its gradients; grad_x may be None",
          py::arg("x").noconvert(), py::arg("weight").noconvert(), py::arg("out").noconvert(),
          py::arg("grad_out").noconvert(), py::arg("grad_x").noconvert(),
          py::arg("grad_weight").noconvert(), py::arg("grad_bias").noconvert(), py::kw_only(),
          py::arg("slope"), py::arg("precision"));
  sub.def(
      "fast_precisions",
      [] {
        std::vector<std::string> names;
        for (const Precision precision : training::fast_precisions())
          names.push_back(name_of(precision));
        return names;
      },
      "Precisions that the target in use has kernels for");
  sub.def(
      "kernel_name",
      [](const std::string& precision) { return training::kernel_name(precision_of(precision)); },
      "What runs a precision: scalar, avx2, avx512 or avx512_bf16", py::arg("precision"));
}

}  // namespace samebits
