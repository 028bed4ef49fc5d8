// Binds csrc/entropy/value_rows.h and softmax_rows.h: the range coder with a row for each symbol.
// samebits.kernels.value_rows checks dtypes and shapes; here arrays are contiguous and typed.
#include "entropy/value_rows.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "bindings/bindings.h"
#include "entropy/coded_intervals.h"
#include "entropy/range_coder.h"
#include "entropy/softmax_rows.h"

namespace py = pybind11;

namespace samebits {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

template <class T>
std::span<const T> view(const Array<T>& array) {
  return {array.data(), static_cast<size_t>(array.size())};
}

// All symbols have rows of their own, so the tables do not matter.
const CdfTables& no_tables() {
  static const CdfTables tables({0, 1}, {0, 2}, {0});
  return tables;
}

ValueRows all_own(const Array<uint16_t>& starts, int32_t min_symbol) {
  const int entries = static_cast<int>(std::min<py::ssize_t>(starts.shape(1), INT32_MAX));
  return {0, CdfTables::kMaxRows, entries, min_symbol, view(starts)};
}

// lanes = 0: as many as suit the size.
py::bytes range_encode_rows(const Array<int32_t>& symbols, const Array<uint16_t>& starts,
                            int32_t min_symbol, int lanes) {
  const ValueRows values = all_own(starts, min_symbol);
  const std::span<const int32_t> all = view(symbols);
  std::vector<uint8_t> payload;
  {
    py::gil_scoped_release release;
    const std::vector<uint8_t> rows(all.size());
    check_value_rows(values, all.size());
    check_value_starts(values, rows);
    CodedIntervals batch(no_tables());
    batch.add(all, rows, values);
    const size_t bytes = static_cast<size_t>(batch.bits_q16() >> (16 + 3));
    RangeEncoder encoder(no_tables(), lanes == 0 ? lanes_for_bytes(bytes) : lanes);
    encoder.encode(batch);
    payload = encoder.finish();
  }
  return {reinterpret_cast<const char*>(payload.data()), payload.size()};
}

Array<int32_t> range_decode_rows(const py::buffer& stream, const Array<uint16_t>& starts,
                                 int32_t min_symbol) {
  const py::buffer_info info = stream.request();
  if (info.ndim != 1 || info.itemsize != 1 || (info.size > 1 && info.strides[0] != 1)) {
    fail(ErrorKind::invalid_argument, "the stream must be contiguous bytes");
  }
  const std::span<const uint8_t> payload(static_cast<const uint8_t*>(info.ptr),
                                         static_cast<size_t>(info.size));
  const ValueRows values = all_own(starts, min_symbol);
  Array<int32_t> symbols(starts.shape(0));
  const std::span<int32_t> out(symbols.mutable_data(), static_cast<size_t>(symbols.size()));
  {
    py::gil_scoped_release release;
    const std::vector<uint8_t> rows(out.size());
    check_value_rows(values, rows.size());
    check_value_starts(values, rows);
    RangeDecoder decoder(no_tables(), payload);
    decoder.decode(rows, values, out);
    decoder.finish();
  }
  return symbols;
}

// Logits (count, entries) to starts.
Array<uint16_t> py_softmax_rows(const Array<int16_t>& logits) {
  const py::ssize_t count = logits.shape(0), entries = logits.shape(1);
  Array<uint16_t> starts({count, entries});
  const int16_t* const from = logits.data();
  uint16_t* const out = starts.mutable_data();
  {
    py::gil_scoped_release release;
    softmax_rows(from, static_cast<int>(entries), count, out);
  }
  return starts;
}

}  // namespace

void bind_value_rows(py::module_& m) {
  m.attr("MAX_VALUE_ENTRIES") = kMaxValueEntries;
  m.attr("MAX_LOGIT") = kMaxLogit;
  m.def("range_encode_rows", &range_encode_rows, py::arg("symbols").noconvert(),
        py::arg("starts").noconvert(), py::kw_only(), py::arg("min_symbol"), py::arg("lanes"));
  m.def("range_decode_rows", &range_decode_rows, py::arg("stream"), py::arg("starts").noconvert(),
        py::kw_only(), py::arg("min_symbol"));
  m.def("softmax_rows", &py_softmax_rows, py::arg("logits").noconvert());
}

}  // namespace samebits
