// The checks of the C++ tests: a failed one prints where and ends the program with 1.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "base/error.h"

#define CHECK(condition)                                                           \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                \
    }                                                                              \
  } while (false)

// The statement must throw samebits::Error of the kind, with `part` in its message.
#define CHECK_FAILS(error_kind, part, ...)                                                       \
  do {                                                                                           \
    std::string message;                                                                         \
    try {                                                                                        \
      __VA_ARGS__;                                                                               \
    } catch (const samebits::Error& error) {                                                     \
      CHECK(error.kind() == samebits::ErrorKind::error_kind);                                    \
      message = error.what();                                                                    \
    }                                                                                            \
    if (message.empty() || message.find(part) == std::string::npos) {                            \
      std::fprintf(stderr, "%s:%d: expected an error with '%s', got '%s'\n", __FILE__, __LINE__, \
                   std::string(part).c_str(), message.c_str());                                  \
      std::exit(1);                                                                              \
    }                                                                                            \
  } while (false)

// Random numbers that are the same on every machine (std distributions are not).
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  // lo .. hi, both included.
  int64_t between(int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(engine_() % static_cast<uint64_t>(hi - lo + 1));
  }
  bool one_in(int n) { return between(1, n) == 1; }
  uint32_t bits32() { return static_cast<uint32_t>(engine_() >> 16); }

 private:
  std::mt19937_64 engine_;
};
