// Binds csrc/stability: codes that tell the encoder's outcome from all others.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "stability/identity_code.h"
#include "stability/nearest_code.h"

namespace py = pybind11;

namespace samebits {
namespace {

Outcomes outcomes_of(const Array<uint8_t>& parity, const Array<uint8_t>& ambiguous) {
  return {{parity.data(), static_cast<size_t>(parity.size())},
          {ambiguous.data(), static_cast<size_t>(ambiguous.size())}};
}

NearOutcomes near_outcomes_of(const Array<uint8_t>& parity, const Array<uint16_t>& weight) {
  return {{parity.data(), static_cast<size_t>(parity.size())},
          {weight.data(), static_cast<size_t>(weight.size())}};
}

void bind_nearest_code(py::module_& m) {
  m.attr("PRECISION_WEIGHT") = kPrecisionWeight;

  const auto encode = [](const Array<uint8_t>& parity, const Array<uint16_t>& weight,
                         const std::vector<uint32_t>& partition, bool check) {
    const NearOutcomes outcomes = near_outcomes_of(parity, weight);
    std::vector<uint8_t> code;
    {
      py::gil_scoped_release release;
      code = encode_nearest(outcomes, {partition, check});
    }
    return as_bytes(code);
  };
  m.def("encode_nearest", encode,
        "The code of an outcome for decoders that take the nearest, bytes",
        py::arg("parity").noconvert(), py::arg("weight").noconvert(), py::kw_only(),
        py::arg("partition") = std::vector<uint32_t>{}, py::arg("check") = true);

  const auto resolve = [](const Array<uint8_t>& parity, const Array<uint16_t>& weight,
                          const py::bytes& code) {
    const NearOutcomes outcomes = near_outcomes_of(parity, weight);
    const std::span<const uint8_t> bytes = as_span(code);
    std::vector<uint8_t> flips;
    {
      py::gil_scoped_release release;
      flips = resolve_nearest(outcomes, bytes);
    }
    const auto size = static_cast<py::ssize_t>(flips.size());
    return as_array(std::move(flips), {size});
  };
  m.def("resolve_nearest", resolve, "1 where an element is its neighbour, uint8",
        py::arg("parity").noconvert(), py::arg("weight").noconvert(), py::arg("code"));

  m.def(
      "is_nearest_code", [](const py::bytes& code) { return is_nearest_code(as_span(code)); },
      "Whether a code is one of encode_nearest", py::arg("code"));
}

}  // namespace

void bind_stability(py::module_& m) {
  py::enum_<LengthCode>(m, "LengthCode", "How the length of an identity code is sent")
      .value("fixed", LengthCode::fixed)
      .value("unary", LengthCode::unary)
      .value("golomb", LengthCode::golomb);

  const auto encode = [](const Array<uint8_t>& parity, const Array<uint8_t>& ambiguous,
                         LengthCode lengths, const std::vector<uint32_t>& partition) {
    const Outcomes outcomes = outcomes_of(parity, ambiguous);
    std::vector<uint8_t> code;
    {
      py::gil_scoped_release release;
      code = encode_identity(outcomes, {lengths, partition});
    }
    return as_bytes(code);
  };
  m.def("encode_identity", encode, "The code of an outcome, bytes", py::arg("parity").noconvert(),
        py::arg("ambiguous").noconvert(), py::kw_only(), py::arg("lengths") = LengthCode::golomb,
        py::arg("partition") = std::vector<uint32_t>{});

  const auto resolve = [](const Array<uint8_t>& parity, const Array<uint8_t>& ambiguous,
                          const py::bytes& code) {
    const Outcomes outcomes = outcomes_of(parity, ambiguous);
    const std::span<const uint8_t> bytes = as_span(code);
    std::vector<uint8_t> flips;
    {
      py::gil_scoped_release release;
      flips = resolve_identity(outcomes, bytes);
    }
    const auto size = static_cast<py::ssize_t>(flips.size());
    return as_array(std::move(flips), {size});
  };
  m.def("resolve_identity", resolve, "1 where an element is its neighbour, uint8",
        py::arg("parity").noconvert(), py::arg("ambiguous").noconvert(), py::arg("code"));
  bind_nearest_code(m);
}

}  // namespace samebits
