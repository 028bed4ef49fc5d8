// Binds csrc/entropy: CDF tables, the range coder over whole arrays, and the cost estimate.
// samebits.kernels.coding checks dtypes and shapes; here arrays are flat, contiguous and typed.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "bindings/bindings.h"
#include "entropy/cdf_tables.h"
#include "entropy/cost.h"
#include "entropy/range_coder.h"

namespace py = pybind11;

namespace samebits {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

template <class T>
std::span<const T> view(const Array<T>& array) {
  return {array.data(), static_cast<size_t>(array.size())};
}

template <class T>
std::vector<T> copy(const Array<T>& array) {
  return {array.data(), array.data() + array.size()};
}

// The tables with the cost of their entries, which takes longer to make than a small array to code.
struct CodingTables {
  CodingTables(const Array<uint16_t>& starts, const Array<int32_t>& row_begin,
               const Array<int32_t>& min_symbol)
      : cdf(copy(starts), copy(row_begin), copy(min_symbol)), cost(cdf) {}
  CodingTables(const CodingTables&) = delete;  // cost refers to cdf

  CdfTables cdf;
  CostTable cost;
};

// Narrow symbols are widened in parts, each a multiple of any number of lanes.
template <class T>
std::vector<uint8_t> encode_all(std::span<const T> symbols, std::span<const uint8_t> rows,
                                const CdfTables& tables, int lanes) {
  RangeEncoder encoder(tables, lanes);
  if constexpr (std::is_same_v<T, int32_t>) {
    encoder.encode(symbols, rows);
  } else {
    constexpr size_t kPart = 4096;
    std::array<int32_t, kPart> wide;
    for (size_t i = 0; i < symbols.size(); i += kPart) {
      const auto part = symbols.subspan(i, std::min(kPart, symbols.size() - i));
      std::copy(part.begin(), part.end(), wide.begin());
      encoder.encode(std::span(wide).first(part.size()), rows.subspan(i, part.size()));
    }
  }
  return encoder.finish();
}

// With all lanes at first: where the payload shows that fewer suit its size, it is short enough to
// be coded again.
template <class T>
std::vector<uint8_t> encode_with_suitable_lanes(std::span<const T> symbols,
                                                std::span<const uint8_t> rows,
                                                const CdfTables& tables) {
  constexpr size_t kCostOfLanes = 80;
  std::vector<uint8_t> payload = encode_all(symbols, rows, tables, kMaxLanes);
  const int lanes = lanes_for_bytes(payload.size() - std::min(kCostOfLanes, payload.size()));
  return lanes == kMaxLanes ? payload : encode_all(symbols, rows, tables, lanes);
}

// lanes = 0: as many as suit the size.
template <class T>
py::bytes range_encode(const Array<T>& symbols, const Array<uint8_t>& rows,
                       const CodingTables& tables, int lanes) {
  const auto symbol_view = view(symbols);
  const auto row_view = view(rows);
  if (symbol_view.size() != row_view.size()) {
    fail(ErrorKind::invalid_argument, "symbols and rows must have the same size");
  }
  std::vector<uint8_t> payload;
  {
    py::gil_scoped_release release;
    payload = lanes == 0 ? encode_with_suitable_lanes(symbol_view, row_view, tables.cdf)
                         : encode_all(symbol_view, row_view, tables.cdf, lanes);
  }
  return {reinterpret_cast<const char*>(payload.data()), payload.size()};
}

template <class T>
void bind_range_encode(py::module_& m) {
  m.def("range_encode", &range_encode<T>, py::arg("symbols").noconvert(),
        py::arg("rows").noconvert(), py::arg("tables"), py::kw_only(), py::arg("lanes"));
}

Array<int32_t> range_decode(const py::buffer& stream, const Array<uint8_t>& rows,
                            const CodingTables& tables) {
  const py::buffer_info info = stream.request();
  if (info.ndim != 1 || info.itemsize != 1 || (info.size > 1 && info.strides[0] != 1)) {
    fail(ErrorKind::invalid_argument, "the stream must be contiguous bytes");
  }
  const std::span<const uint8_t> payload(static_cast<const uint8_t*>(info.ptr),
                                         static_cast<size_t>(info.size));
  const auto row_view = view(rows);
  Array<int32_t> symbols(rows.size());
  const std::span<int32_t> out(symbols.mutable_data(), static_cast<size_t>(symbols.size()));
  {
    py::gil_scoped_release release;
    RangeDecoder decoder(tables.cdf, payload);
    decoder.decode(row_view, out);
    decoder.finish();
  }
  return symbols;
}

uint64_t coding_cost_q16(const Array<int32_t>& symbols, const Array<uint8_t>& rows,
                         const CodingTables& tables) {
  const auto symbol_view = view(symbols);
  const auto row_view = view(rows);
  py::gil_scoped_release release;
  return tables.cost.sum_q16(symbol_view, row_view);
}

}  // namespace

void bind_entropy(py::module_& m) {
  py::class_<CodingTables>(m, "CdfTables")
      .def(py::init<const Array<uint16_t>&, const Array<int32_t>&, const Array<int32_t>&>(),
           py::arg("starts").noconvert(), py::arg("row_begin").noconvert(),
           py::arg("min_symbol").noconvert());
  bind_range_encode<int32_t>(m);
  bind_range_encode<int16_t>(m);
  bind_range_encode<int8_t>(m);
  m.def("range_decode", &range_decode, py::arg("stream"), py::arg("rows").noconvert(),
        py::arg("tables"));
  m.def("coding_cost_q16", &coding_cost_q16, py::arg("symbols").noconvert(),
        py::arg("rows").noconvert(), py::arg("tables"));
}

}  // namespace samebits
