#include "nn/row_operations.h"

#include "base/fixed_point.h"
#include "base/threads.h"

namespace samebits {
namespace {

// Below this many values an operation runs on the calling thread.
constexpr int64_t kParallelValues = int64_t{1} << 18;

template <class Work>
void for_range(int64_t count, int64_t values_each, const Work& work) {
  if (count * values_each < kParallelValues)
    work(0, count);
  else
    parallel_for(count, work);
}

const int16_t* row_of(const RowWindow& x, int channels, int row) {
  return x.data + int64_t{row - x.first_row} * x.width * channels;
}

// out[i] = function(i) for every value of the rows.
template <class Function>
void for_values(const RowWindow& x, int channels, int begin, int end, const Function& function) {
  const int64_t count = int64_t{end - begin} * x.width * channels;
  for_range(count, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) function(i);
  });
}

}  // namespace

void add_rows(const RowWindow& a, const RowWindow& b, int channels, int begin, int end, int lo,
              int hi, int16_t* out) {
  const int16_t* from_a = row_of(a, channels, begin);
  const int16_t* from_b = row_of(b, channels, begin);
  for_values(a, channels, begin, end, [=](int64_t i) {
    out[i] = static_cast<int16_t>(clamp(from_a[i] + from_b[i], lo, hi));
  });
}

void clamp_rows(const RowWindow& x, int channels, int begin, int end, int lo, int hi,
                int16_t* out) {
  const int16_t* from = row_of(x, channels, begin);
  for_values(x, channels, begin, end,
             [=](int64_t i) { out[i] = static_cast<int16_t>(clamp<int>(from[i], lo, hi)); });
}

void lut_rows(const RowWindow& x, int channels, int begin, int end, const int16_t* table,
              int16_t* out) {
  const int16_t* from = row_of(x, channels, begin);
  for_values(x, channels, begin, end, [=](int64_t i) { out[i] = table[from[i] + 32768]; });
}

void unshuffle_rows(const RowWindow& x, int channels, int factor, int begin, int end,
                    int16_t* out) {
  const int out_width = x.width / factor;
  const int64_t row_values = int64_t{x.width} * channels * factor;
  for_range(end - begin, row_values, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) {
      int16_t* to = out + n * row_values;
      const int16_t* top = row_of(x, channels, static_cast<int>(begin + n) * factor);
      for (int j = 0; j < out_width; ++j) {
        const int16_t* corner = top + int64_t{j} * factor * channels;
        for (int c = 0; c < channels; ++c)
          for (int dy = 0; dy < factor; ++dy)
            for (int dx = 0; dx < factor; ++dx)
              *to++ = corner[(int64_t{dy} * x.width + dx) * channels + c];
      }
    }
  });
}

void shuffle_rows(const RowWindow& x, int channels, int factor, int begin, int end, int16_t* out) {
  const int area = factor * factor;
  const int out_channels = channels / area;
  const int64_t row_values = int64_t{x.width} * factor * out_channels;
  for_range(end - begin, row_values, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) {
      const int y = static_cast<int>(begin + n);
      const int16_t* from = row_of(x, channels, y / factor) + y % factor * factor;
      int16_t* to = out + n * row_values;
      for (int j = 0; j < x.width; ++j, from += channels)
        for (int dx = 0; dx < factor; ++dx)
          for (int c = 0; c < out_channels; ++c) *to++ = from[c * area + dx];
    }
  });
}

}  // namespace samebits
