// Binds csrc/codec/cuda_decoder.h: decoding on a GPU, and pixels that stay there as a DLPack array.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "bindings/bindings.h"
#include "bindings/dlpack.h"
#include "codec/cuda_decoder.h"
#include "cuda/cuda_module.h"

namespace py = pybind11;

namespace samebits {
namespace {

using Shared = std::shared_ptr<DevicePicture>;

std::span<const uint8_t> as_span(const py::bytes& bytes) {
  const std::string_view view = bytes;
  return {reinterpret_cast<const uint8_t*>(view.data()), view.size()};
}

// What a capsule points to: the tensor, its shape and a share of the memory.
template <class Managed>
struct Exported {
  Managed managed{};
  Shared picture;
  int64_t shape[3], strides[3];
};

template <class Managed>
py::capsule export_picture(const Shared& picture, const char* name) {
  auto exported = std::make_unique<Exported<Managed>>();
  const int ndim = picture->channels() == 1 ? 2 : 3;
  exported->picture = picture;
  exported->shape[0] = picture->height();
  exported->shape[1] = picture->width();
  exported->shape[2] = picture->channels();
  for (int n = ndim - 1; n >= 0; --n)
    exported->strides[n] = n == ndim - 1 ? 1 : exported->strides[n + 1] * exported->shape[n + 1];
  Managed& managed = exported->managed;
  managed.tensor = {picture->samples(),
                    {dlpack::kCuda, picture->device()},
                    ndim,
                    {dlpack::kUint, 8, 1},
                    exported->shape,
                    exported->strides,
                    0};
  if constexpr (std::is_same_v<Managed, dlpack::ManagedVersioned>) {
    managed.major = dlpack::kMajor;
    managed.minor = dlpack::kMinor;
  }
  managed.context = exported.get();
  managed.deleter = [](Managed* self) { delete static_cast<Exported<Managed>*>(self->context); };
  PyObject* capsule = PyCapsule_New(&managed, name, [](PyObject* object) {
    // Named otherwise once a consumer has taken it over.
    const char* now = PyCapsule_GetName(object);
    if (now == nullptr || std::string_view(now).substr(0, 8) == "used_dlt") return;
    auto* left = static_cast<Managed*>(PyCapsule_GetPointer(object, now));
    left->deleter(left);
  });
  if (capsule == nullptr) throw py::error_already_set();
  exported.release();
  return py::reinterpret_steal<py::capsule>(capsule);
}

// The pixels are complete before anybody has this object, so no stream has to wait for another.
py::capsule py_dlpack(const Shared& picture, const std::optional<int64_t>& stream,
                      const std::optional<std::pair<int, int>>& max_version,
                      const std::optional<std::pair<int, int>>& device, std::optional<bool> copy) {
  if (stream && (*stream == 0 || *stream < -1)) {
    fail(ErrorKind::invalid_argument,
         "stream " + std::to_string(*stream) +
             " is no CUDA stream of DLPack: 1 is the default stream, 2 the thread's, -1 none");
  }
  const std::pair<int, int> own{dlpack::kCuda, picture->device()};
  if (device && *device != own)
    throw py::buffer_error("the pixels are on a CUDA device; to_numpy() copies them to the host");
  if (copy.value_or(false))
    throw py::buffer_error("the pixels are shared, not copied; copy them with your array library");
  if (max_version && max_version->first >= 1)
    return export_picture<dlpack::ManagedVersioned>(picture, "dltensor_versioned");
  return export_picture<dlpack::Managed>(picture, "dltensor");
}

py::tuple shape_of(const DevicePicture& picture) {
  if (picture.channels() == 1) return py::make_tuple(picture.height(), picture.width());
  return py::make_tuple(picture.height(), picture.width(), picture.channels());
}

py::array_t<uint8_t> to_numpy(const DevicePicture& picture) {
  std::vector<py::ssize_t> shape{picture.height(), picture.width()};
  if (picture.channels() != 1) shape.push_back(picture.channels());
  py::array_t<uint8_t> array(shape);
  uint8_t* to = array.mutable_data();
  py::gil_scoped_release release;
  picture.download(to);
  return array;
}

GpuDecoder::Options options_of(int64_t max_pixels, int64_t max_bytes,
                               const std::optional<uint64_t>& stream) {
  GpuDecoder::Options options;
  options.limits = {max_pixels, max_bytes};
  options.has_stream = stream.has_value();
  options.stream = reinterpret_cast<void*>(static_cast<uintptr_t>(stream.value_or(0)));
  return options;
}

// The Python exception of an error, not raised.
py::object exception_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    return error_class(known.kind())(known.what());
  } catch (const std::bad_alloc&) {
    return py::module_::import("builtins").attr("MemoryError")("out of memory");
  }
}

py::list py_decode(const GpuDecoder& decoder, const std::vector<py::bytes>& streams,
                   int64_t max_pixels, int64_t max_bytes, const std::optional<uint64_t>& stream) {
  std::vector<std::span<const uint8_t>> views;
  for (const py::bytes& bytes : streams) views.push_back(as_span(bytes));
  const GpuDecoder::Options options = options_of(max_pixels, max_bytes, stream);
  std::vector<GpuDecoder::Outcome> outcomes;
  {
    py::gil_scoped_release release;
    outcomes = decoder.decode(views, options);
  }
  py::list list;
  for (GpuDecoder::Outcome& outcome : outcomes) {
    if (outcome.error)
      list.append(exception_of(outcome.error));
    else
      list.append(std::make_shared<DevicePicture>(std::move(outcome.picture)));
  }
  return list;
}

py::array_t<int16_t> py_decode_latents(const GpuDecoder& decoder, const py::bytes& stream,
                                       int64_t max_pixels, int64_t max_bytes) {
  const GpuDecoder::Options options = options_of(max_pixels, max_bytes, std::nullopt);
  const std::span<const uint8_t> bytes = as_span(stream);
  Tensor<int16_t> y_hat;
  {
    py::gil_scoped_release release;
    y_hat = decoder.decode_latents(bytes, options);
  }
  return py::array_t<int16_t>(std::vector<py::ssize_t>{y_hat.height, y_hat.width, y_hat.channels},
                              y_hat.data.data());
}

void bind_picture(py::module_& m) {
  py::class_<DevicePicture, Shared>(m, "DeviceArray",
                                    "Decoded samples in the memory of a CUDA device: uint8 "
                                    "(H, W, 3), or (H, W) for grey. Any library that knows DLPack "
                                    "takes it without a copy, for example torch.from_dlpack.")
      .def_property_readonly("shape", &shape_of)
      .def_property_readonly("dtype", [](const DevicePicture&) { return py::dtype("uint8"); })
      .def_property_readonly(
          "device", [](const DevicePicture& p) { return "cuda:" + std::to_string(p.device()); })
      .def("to_numpy", &to_numpy, "A copy on the host")
      .def("__dlpack_device__",
           [](const DevicePicture& p) { return std::make_pair(dlpack::kCuda, p.device()); })
      .def("__dlpack__", &py_dlpack, py::kw_only(), py::arg("stream") = py::none(),
           py::arg("max_version") = py::none(), py::arg("dl_device") = py::none(),
           py::arg("copy") = py::none())
      .def("__repr__", [](const DevicePicture& p) {
        return "<samebits.DeviceArray " + std::string(py::str(shape_of(p))) +
               " uint8 on cuda:" + std::to_string(p.device()) + ">";
      });
}

}  // namespace

void bind_cuda(py::module_& m) {
  constexpr Limits kDefault;
  bind_picture(m);
  py::class_<GpuDecoder>(m, "GpuDecoder", "A model on a CUDA device")
      .def(py::init<const Model&, int>(), py::arg("model"), py::arg("device"),
           py::keep_alive<1, 2>())
      .def("decode", &py_decode,
           "A DeviceArray for each stream, or the exception that decoding it would raise",
           py::arg("streams"), py::kw_only(), py::arg("max_pixels") = kDefault.max_pixels,
           py::arg("max_bytes") = kDefault.max_bytes, py::arg("stream") = py::none())
      .def("decode_latents", &py_decode_latents, "y_hat, int16 (h, w, M)", py::arg("stream"),
           py::kw_only(), py::arg("max_pixels") = kDefault.max_pixels,
           py::arg("max_bytes") = kDefault.max_bytes);
  m.def("cuda_device_count", [] {
    const CudaModule* module = cuda_module();
    return module == nullptr ? 0 : module->device_count();
  });
  m.def(
      "cuda_current_device", [] { return require_cuda_module().current_device(); },
      "The calling thread's device; DeviceError, saying why, if CUDA cannot be used");
}

}  // namespace samebits
