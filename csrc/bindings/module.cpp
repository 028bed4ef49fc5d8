// samebits._core: the C++ core for Python. Python code uses samebits.* instead of this module.
#include "bindings/bindings.h"

PYBIND11_MODULE(_core, m) {
  m.doc() = "The integer core of Samebits (internal; use the samebits package)";
  m.attr("version") = SAMEBITS_VERSION;
  samebits::bind_errors(m);
  samebits::bind_nn(m);
  samebits::bind_prepared_conv(m);
  samebits::bind_entropy(m);
  samebits::bind_value_rows(m);
  samebits::bind_bitstream(m);
  samebits::bind_schedules(m);
  samebits::bind_codec(m);
  samebits::bind_series(m);
  samebits::bind_stability(m);
  samebits::bind_ssimulacra2(m);
  samebits::bind_cuda(m);
  samebits::bind_training(m);
}
