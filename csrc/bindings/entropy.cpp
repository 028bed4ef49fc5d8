// Binds csrc/entropy: CDF tables, the range coder over whole arrays, and the cost estimate.
// samebits.kernels.coding checks dtypes and shapes; here arrays are flat, contiguous and typed.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <span>
#include <string>
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

// lanes = 0: as many as suit the estimated size.
py::bytes range_encode(const Array<int32_t>& symbols, const Array<uint8_t>& rows,
                       const CodingTables& tables, int lanes) {
  const auto symbol_view = view(symbols);
  const auto row_view = view(rows);
  std::vector<uint8_t> payload;
  {
    py::gil_scoped_release release;
    if (lanes == 0) {
      const uint64_t bits_q16 = tables.cost.sum_q16(symbol_view, row_view);
      lanes = lanes_for_bytes(static_cast<size_t>(bits_q16 >> 19));
    }
    RangeEncoder encoder(tables.cdf, lanes);
    encoder.encode(symbol_view, row_view);
    payload = encoder.finish();
  }
  return {reinterpret_cast<const char*>(payload.data()), payload.size()};
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
  m.def("range_encode", &range_encode, py::arg("symbols").noconvert(), py::arg("rows").noconvert(),
        py::arg("tables"), py::kw_only(), py::arg("lanes"));
  m.def("range_decode", &range_decode, py::arg("stream"), py::arg("rows").noconvert(),
        py::arg("tables"));
  m.def("coding_cost_q16", &coding_cost_q16, py::arg("symbols").noconvert(),
        py::arg("rows").noconvert(), py::arg("tables"));
}

}  // namespace samebits
