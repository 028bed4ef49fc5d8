// The one exception of the core. Foreign bytes and callers' mistakes end here; our own mistakes are
// asserted instead.
#pragma once

#include <stdexcept>
#include <string>

namespace samebits {

enum class ErrorKind {
  corrupt_stream,
  truncated,
  unsupported_version,
  model_mismatch,
  limit_exceeded,
  invalid_argument,
  device_error,  // a GPU is missing, full, or failed
  needs_series,  // a picture that needs the pictures before it
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// A message says what is wrong, where, and what to do.
[[noreturn]] inline void fail(ErrorKind kind, const std::string& message) {
  throw Error(kind, message);
}

}  // namespace samebits
