// Error kinds of the core become the exception classes of samebits/errors.py.
#include "base/error.h"
#include "bindings/bindings.h"

namespace samebits {
namespace {

const char* class_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::corrupt_stream:
      return "CorruptStream";
    case ErrorKind::truncated:
      return "Truncated";
    case ErrorKind::unsupported_version:
      return "UnsupportedVersion";
    case ErrorKind::model_mismatch:
      return "ModelMismatch";
    case ErrorKind::limit_exceeded:
      return "LimitExceeded";
    case ErrorKind::invalid_argument:
      return "InvalidArgument";
    case ErrorKind::device_error:
      return "DeviceError";
    case ErrorKind::needs_series:
      return "NeedsSeries";
  }
  return "SamebitsError";
}

}  // namespace

pybind11::object error_class(ErrorKind kind) {
  return pybind11::module_::import("samebits.errors").attr(class_name(kind));
}

void bind_errors(pybind11::module_&) {
  pybind11::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Error& error) {
      PyErr_SetString(error_class(error.kind()).ptr(), error.what());
    }
  });
}

}  // namespace samebits
