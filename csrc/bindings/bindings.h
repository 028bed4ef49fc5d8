// One function for each folder of the core; module.cpp calls them all.
#pragma once

#include <pybind11/pybind11.h>

#include "base/error.h"

namespace samebits {

void bind_errors(pybind11::module_& m);
void bind_nn(pybind11::module_& m);
void bind_prepared_conv(pybind11::module_& m);
void bind_entropy(pybind11::module_& m);
void bind_value_rows(pybind11::module_& m);
void bind_bitstream(pybind11::module_& m);
void bind_codec(pybind11::module_& m);
void bind_schedules(pybind11::module_& m);
void bind_series(pybind11::module_& m);
void bind_stability(pybind11::module_& m);
void bind_ssimulacra2(pybind11::module_& m);
void bind_cuda(pybind11::module_& m);
void bind_training(pybind11::module_& m);

// The class of samebits/errors.py for a kind of error.
pybind11::object error_class(ErrorKind kind);

}  // namespace samebits
