// Smallest and largest of many values.
#pragma once

#include <cstddef>
#include <span>

namespace samebits {

template <class T>
struct ValueRange {
  T least, most;
};

// `values` is not empty. Sixteen ranges side by side are a loop that compilers turn into vectors.
template <class T>
ValueRange<T> range_of(std::span<const T> values) {
  constexpr size_t kLanes = 16;
  T least[kLanes], most[kLanes];
  for (size_t lane = 0; lane < kLanes; ++lane) least[lane] = most[lane] = values[0];
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const T v = values[i + lane];
      least[lane] = v < least[lane] ? v : least[lane];
      most[lane] = v > most[lane] ? v : most[lane];
    }
  }
  ValueRange<T> range{least[0], most[0]};
  for (size_t lane = 1; lane < kLanes; ++lane) {
    range.least = least[lane] < range.least ? least[lane] : range.least;
    range.most = most[lane] > range.most ? most[lane] : range.most;
  }
  for (; i < values.size(); ++i) {
    range.least = values[i] < range.least ? values[i] : range.least;
    range.most = values[i] > range.most ? values[i] : range.most;
  }
  return range;
}

}  // namespace samebits
