// Binds csrc/training/ssimulacra2.h. samebits.learn.training.ssimulacra2_loss checks what users
// pass.
#include "training/ssimulacra2.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "bindings/bindings.h"

namespace py = pybind11;

namespace samebits {
namespace {

constexpr py::ssize_t kMaxTrainingSide = 1 << 20;

using AnyFloats = py::array_t<float>;  // of any strides
using Weights = py::array_t<double, py::array::c_style>;

template <class T>
FloatPictures<T> pictures_of(T* data, const AnyFloats& array) {
  ptrdiff_t distance[4];
  for (int i = 0; i < 4; ++i) {
    if (array.strides(i) % static_cast<py::ssize_t>(sizeof(float)) != 0)
      fail(ErrorKind::invalid_argument, "strides must be whole floats");
    distance[i] = array.strides(i) / static_cast<py::ssize_t>(sizeof(float));
  }
  return {data, distance[0], distance[1], distance[2], distance[3]};
}

void check_batches(const AnyFloats& x, const AnyFloats& other) {
  if (x.ndim() != 4 || other.ndim() != 4 || x.shape(1) != 3 ||
      !std::equal(x.shape(), x.shape() + 4, other.shape())) {
    fail(ErrorKind::invalid_argument, "pictures must be arrays (B, 3, H, W) of one shape");
  }
  for (int i = 2; i < 4; ++i) {
    if (x.shape(i) < kSsimulacra2MinSide || x.shape(i) > kMaxTrainingSide) {
      fail(ErrorKind::invalid_argument,
           "a side is " + std::to_string(x.shape(i)) + " pixels, must be " +
               std::to_string(kSsimulacra2MinSide) + " to " + std::to_string(kMaxTrainingSide));
    }
  }
}

// (B,) float64; the gradient is written to `gradient`, if there is one.
py::array_t<double> py_ssimulacra2_sums(const AnyFloats& x, const AnyFloats& x_hat,
                                        std::optional<AnyFloats> gradient, const Weights& weights) {
  check_batches(x, x_hat);
  if (gradient) check_batches(x, *gradient);
  Ssimulacra2Weights native;
  if (weights.nbytes() != static_cast<py::ssize_t>(sizeof native))
    fail(ErrorKind::invalid_argument, "weights must be (3, 6, 6)");
  std::memcpy(native, weights.data(), sizeof native);
  const FloatPictures<const float> from = pictures_of(x.data(), x);
  const FloatPictures<const float> from_hat = pictures_of(x_hat.data(), x_hat);
  const FloatPictures<float> to =
      gradient ? pictures_of(gradient->mutable_data(), *gradient) : FloatPictures<float>{};
  const int height = static_cast<int>(x.shape(2)), width = static_cast<int>(x.shape(3));
  py::array_t<double> sums(x.shape(0));
  const std::span<double> out(sums.mutable_data(), static_cast<size_t>(sums.size()));
  {
    py::gil_scoped_release release;
    ssimulacra2_sums(from, from_hat, to, height, width, native, out);
  }
  return sums;
}

}  // namespace

void bind_ssimulacra2(py::module_& m) {
  m.def("ssimulacra2_sums", &py_ssimulacra2_sums, py::arg("x").noconvert(),
        py::arg("x_hat").noconvert(), py::arg("gradient").noconvert().none(true), py::kw_only(),
        py::arg("weights").noconvert());
}

}  // namespace samebits
