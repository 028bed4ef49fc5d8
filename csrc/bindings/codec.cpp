// Binds csrc/codec: models, encode and decode, and the parts that tests and the exporter compare
// with their own computation. Arrays are contiguous and typed; samebits.api checks what users pass.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "codec/decode_picture.h"
#include "codec/element_trace.h"
#include "codec/encode_picture.h"
#include "codec/full_pass.h"
#include "codec/hyper_latents.h"
#include "codec/model.h"
#include "codec/schedule.h"

namespace py = pybind11;

namespace samebits {
namespace {

// y and the symbols of z, as the refinement in Python gives them.
using PyLatents = std::pair<Array<int16_t>, Array<int32_t>>;

template <class T>
Tensor<T> tensor_of(const Array<T>& x) {
  if (x.ndim() != 3 || x.size() == 0) {
    fail(ErrorKind::invalid_argument, "the input must be an array (height, width, channels)");
  }
  Tensor<T> tensor(static_cast<int>(x.shape(0)), static_cast<int>(x.shape(1)),
                   static_cast<int>(x.shape(2)));
  std::copy_n(x.data(), x.size(), tensor.data.begin());
  return tensor;
}

// (H, W), in 1/256, for a picture (H, W, 3).
ErrorWeights weights_of(const Array<uint16_t>& weights, const Array<uint8_t>& rgb) {
  if (weights.ndim() != 2 || weights.shape(0) != rgb.shape(0) || weights.shape(1) != rgb.shape(1)) {
    fail(ErrorKind::invalid_argument, "weights must be an array (H, W) of the picture's size");
  }
  const int most = *std::max_element(weights.data(), weights.data() + weights.size());
  if (most == 0) fail(ErrorKind::invalid_argument, "weights must not all be 0");
  return {weights.data(), most};
}

Model load_model(const py::bytes& file) {
  const std::span<const uint8_t> span = as_span(file);
  py::gil_scoped_release release;
  return Model::load({span.begin(), span.end()});
}

EncodeResult py_encode(const Model& model, const Array<uint8_t>& rgb, int quality,
                       const ScheduleSpec& schedule, bool values, bool grey,
                       const std::vector<PyChunk>& chunks, int deadzone_q8,
                       const RefineOptions& refine, bool keep_source, const Limits& limits) {
  const PictureView picture = view_of(rgb);
  const EncodeOptions options{quality,           schedule,    values, grey,
                              chunks_of(chunks), deadzone_q8, refine, keep_source};
  py::gil_scoped_release release;
  return encode_picture(picture, model, options, limits);
}

Array<uint8_t> py_decode(const Model& model, const py::bytes& stream, const Limits& limits) {
  const std::span<const uint8_t> bytes = as_span(stream);
  Picture picture;
  {
    py::gil_scoped_release release;
    picture = decode_picture(bytes, model, limits).picture;
  }
  return as_array(std::move(picture));
}

Array<int16_t> py_decode_latents(const Model& model, const py::bytes& stream,
                                 const Limits& limits) {
  const std::span<const uint8_t> bytes = as_span(stream);
  Tensor<int16_t> y_hat;
  {
    py::gil_scoped_release release;
    y_hat = decode_latents(bytes, model, limits).y_hat;
  }
  return as_array(std::move(y_hat));
}

// Everything between picture and range coder, for comparison with a float twin.
struct LatentTrace {
  Tensor<int16_t> y, y_hat, features, prediction;
  Tensor<int32_t> z_symbols;
  ElementTrace elements;
};

LatentTrace trace_latents(const Model& model, const PictureView& picture, int quality,
                          const ScheduleSpec& spec, int deadzone_q8, const Limits& limits) {
  if (quality < 0 || quality > kMaxQuality) {
    fail(ErrorKind::invalid_argument, "quality must be 0 to 100");
  }
  const Schedule schedule = make_schedule(spec, model.groups, ErrorKind::invalid_argument);
  const LatentSizes sizes = latent_sizes(picture.height, picture.width);
  LatentTrace trace;
  trace.y = analyze(model, picture, sizes, limits.max_bytes);
  trace.z_symbols = Tensor<int32_t>(sizes.hyper_height, sizes.hyper_width, model.hyper_channels);
  const HyperExpectation expected = expect_nothing(model, quality);
  trace.z_symbols.data = hyper_symbols(model, quality, trace.y, sizes, expected);
  HyperInformation hyper = synthesize_hyper(
      model, dequantize_hyper(model, quality, trace.z_symbols.data, sizes, expected), sizes);
  trace.features = hyper.features;
  trace.prediction = hyper.prediction;
  trace.elements = ElementTrace(sizes.height, sizes.width, model.latent_channels);
  StepQuantizer quantizer(model, nullptr, quality, deadzone_q8, trace.y);
  TracingCoder coder(quantizer, trace.elements);
  trace.y_hat = code_latents(model, nullptr, quality, schedule, std::move(hyper), coder);
  return trace;
}

// The encoder's step loop over latents that are there already: what the loop alone costs.
Tensor<int16_t> code_again(const Model& model, const LatentTrace& trace, int quality,
                           const ScheduleSpec& spec) {
  const Schedule schedule = make_schedule(spec, model.groups, ErrorKind::invalid_argument);
  StepQuantizer quantizer(model, nullptr, quality, kPlainRounding, trace.y);
  return code_latents(model, nullptr, quality, schedule, {trace.features, trace.prediction},
                      quantizer);
}

// Mean and row of every element if all others were known.
StepParameters full_pass_of(const Model& model, const LatentTrace& trace, int quality) {
  Mask mask(model.latent_channels);
  mask.update({Rect{0, model.latent_channels, kAllPhases}});
  return full_pass(model, quality, {trace.y_hat, mask, trace.prediction, trace.features, View{}});
}

const Network& network_of(const Model& model, const std::string& name) {
  if (name == "g_a") return model.analysis;
  if (name == "g_s") return model.synthesis;
  if (name == "h_a") return model.hyper_analysis;
  if (name == "h_s") return model.hyper_synthesis;
  if (name == "entropy") return model.entropy;
  if (name == "values") return value_head_for(model, true, ErrorKind::invalid_argument)->network;
  if (name == "time" && model.time) return model.time->network;
  fail(ErrorKind::invalid_argument, "there is no network " + name +
                                        "; there are g_a, g_s, h_a, h_s, entropy and perhaps "
                                        "values and time");
}

Array<int16_t> py_run_network(const Model& model, const std::string& name,
                              const Array<int16_t>& x) {
  const Network& network = network_of(model, name);
  const Tensor<int16_t> in = tensor_of(x);
  Tensor<int16_t> out;
  {
    py::gil_scoped_release release;
    out = network.run(in);
  }
  return as_array(std::move(out));
}

std::vector<Array<int16_t>> py_run_layers(const Model& model, const std::string& name,
                                          const Array<int16_t>& x) {
  std::vector<Array<int16_t>> arrays;
  for (Tensor<int16_t>& out : network_of(model, name).run_all(tensor_of(x))) {
    arrays.push_back(as_array(std::move(out)));
  }
  return arrays;
}

double bits_of(uint64_t bits_q16) {
  return static_cast<double>(bits_q16) / 65536.0;
}

void bind_model(py::module_& m) {
  py::class_<Model>(m, "Model", "A weights file, loaded and checked")
      .def(py::init(&load_model), py::arg("weights_file"))
      .def_property_readonly("id", [](const Model& model) { return as_bytes(model.id()); })
      .def_property_readonly("sha256", [](const Model& model) { return as_bytes(model.sha256); })
      .def_readonly("latent_channels", &Model::latent_channels)
      .def_readonly("hyper_channels", &Model::hyper_channels)
      .def_readonly("feature_channels", &Model::feature_channels)
      .def_readonly("context_channels", &Model::context_channels)
      .def_readonly("lmbda_q24", &Model::lmbda_q24, "Of every quality, or empty")
      .def_property_readonly("has_time", [](const Model& model) { return model.time.has_value(); })
      .def_readonly("channel_groups", &Model::groups, "What schedules need to know of the model")
      .def_property_readonly("groups", [](const Model& model) { return model.groups.groups; })
      .def_property_readonly("phase_groups",
                             [](const Model& model) { return model.groups.phase_groups; })
      .def_property_readonly("has_values",
                             [](const Model& model) { return model.values.has_value(); })
      .def("describe", &Model::describe, "Sizes and overflow bounds as lines of text");
}

void bind_results(py::module_& m) {
  py::class_<EncodeResult>(m, "EncodeResult", "A stream and what the encoder knows about it")
      .def_property_readonly("stream", [](const EncodeResult& r) { return as_bytes(r.stream); })
      .def_property_readonly("y_bits", [](const EncodeResult& r) { return bits_of(r.y_bits_q16); })
      .def_property_readonly("z_bits", [](const EncodeResult& r) { return bits_of(r.z_bits_q16); })
      .def_property_readonly("cost", [](const EncodeResult& r) { return bits_of(r.cost_q16); })
      .def_property_readonly("latents",
                             [](const EncodeResult& r) {
                               return PyLatents(as_array(r.source.y), as_array(r.source.z_symbols));
                             })
      .def_readonly("payload_bytes", &EncodeResult::payload_bytes)
      .def_readonly("steps", &EncodeResult::steps)
      .def_readonly("lanes", &EncodeResult::lanes);

  py::class_<LatentTrace> trace(m, "LatentTrace", "Arrays (height, width, channels), see docs");
  const auto tensor = [&trace](const char* name, auto member) {
    trace.def_property_readonly(name,
                                [member](const LatentTrace& t) { return as_array(t.*member); });
  };
  tensor("y", &LatentTrace::y);
  tensor("y_hat", &LatentTrace::y_hat);
  tensor("features", &LatentTrace::features);
  tensor("prediction", &LatentTrace::prediction);
  tensor("z_symbols", &LatentTrace::z_symbols);
  const auto element = [&trace](const char* name, auto member) {
    trace.def_property_readonly(
        name, [member](const LatentTrace& t) { return as_array(t.elements.*member); });
  };
  element("mean", &ElementTrace::mean);
  element("symbols", &ElementTrace::symbols);
  element("rows", &ElementTrace::rows);
}

void bind_functions(py::module_& m) {
  constexpr Limits kDefault;
  const auto encode = [](const Model& model, const Array<uint8_t>& rgb, int quality,
                         const ScheduleSpec& schedule, bool values, bool grey,
                         const std::vector<PyChunk>& chunks, int deadzone_q8, int refine_rounds,
                         int64_t refine_lmbda_q24, const std::optional<PyLatents>& latents,
                         bool keep_latents, const std::optional<Array<uint16_t>>& error_weights,
                         bool return_latents, int64_t max_pixels, int64_t max_bytes) {
    SourceLatents given;
    if (latents) given = {tensor_of(latents->first), tensor_of(latents->second)};
    const RefineOptions refine{latents ? &given : nullptr, refine_rounds, refine_lmbda_q24,
                               error_weights ? weights_of(*error_weights, rgb) : ErrorWeights{},
                               keep_latents};
    return py_encode(model, rgb, quality, schedule, values, grey, chunks, deadzone_q8, refine,
                     return_latents, {max_pixels, max_bytes});
  };
  m.def("encode_picture", encode, py::arg("model"), py::arg("rgb").noconvert(), py::kw_only(),
        py::arg("quality"), py::arg("schedule") = ScheduleSpec{}, py::arg("values") = false,
        py::arg("grey") = false, py::arg("chunks") = std::vector<PyChunk>{},
        py::arg("deadzone_q8") = kPlainRounding, py::arg("refine_rounds") = 0,
        py::arg("refine_lmbda_q24") = 0, py::arg("latents") = std::nullopt,
        py::arg("keep_latents") = false, py::arg("error_weights") = std::nullopt,
        py::arg("return_latents") = false, py::arg("max_pixels") = kDefault.max_pixels,
        py::arg("max_bytes") = kDefault.max_bytes);

  const auto decode = [](const Model& model, const py::bytes& stream, int64_t max_pixels,
                         int64_t max_bytes) {
    return py_decode(model, stream, {max_pixels, max_bytes});
  };
  m.def("decode_picture", decode, "uint8 (H, W, 3), or (H, W) if the stream is grey",
        py::arg("model"), py::arg("stream"), py::kw_only(),
        py::arg("max_pixels") = kDefault.max_pixels, py::arg("max_bytes") = kDefault.max_bytes);

  const auto latents = [](const Model& model, const py::bytes& stream, int64_t max_pixels,
                          int64_t max_bytes) {
    return py_decode_latents(model, stream, {max_pixels, max_bytes});
  };
  m.def("decode_latents", latents, "y_hat, int16 (h, w, M)", py::arg("model"), py::arg("stream"),
        py::kw_only(), py::arg("max_pixels") = kDefault.max_pixels,
        py::arg("max_bytes") = kDefault.max_bytes);

  const auto trace = [](const Model& model, const Array<uint8_t>& rgb, int quality,
                        const ScheduleSpec& schedule, int deadzone_q8) {
    const PictureView picture = view_of(rgb);
    py::gil_scoped_release release;
    return trace_latents(model, picture, quality, schedule, deadzone_q8, Limits{});
  };
  m.def("encode_latents", trace, "What the encoder computes before the range coder",
        py::arg("model"), py::arg("rgb").noconvert(), py::kw_only(), py::arg("quality"),
        py::arg("schedule") = ScheduleSpec{}, py::arg("deadzone_q8") = kPlainRounding);

  const auto again = [](const Model& model, const LatentTrace& latents, int quality,
                        const ScheduleSpec& schedule) {
    Tensor<int16_t> y_hat;
    {
      py::gil_scoped_release release;
      y_hat = code_again(model, latents, quality, schedule);
    }
    return as_array(std::move(y_hat));
  };
  m.def("code_latents", again, "The step loop of the encoder over the latents of a trace: y_hat",
        py::arg("model"), py::arg("latents"), py::kw_only(), py::arg("quality"),
        py::arg("schedule"));

  const auto pass = [](const Model& model, const LatentTrace& latents, int quality) {
    StepParameters all;
    {
      py::gil_scoped_release release;
      all = full_pass_of(model, latents, quality);
    }
    const Tensor<int16_t>& y = latents.y;
    const std::vector<py::ssize_t> shape{y.height, y.width, y.channels};
    return std::pair(as_array(std::move(all.mean), shape), as_array(std::move(all.row), shape));
  };
  m.def("full_pass", pass,
        "Mean and CDF row of every element, from one pass of the entropy network over all of its "
        "inputs, as if every other element were known",
        py::arg("model"), py::arg("latents"), py::kw_only(), py::arg("quality"));

  m.def("run_network", &py_run_network, py::arg("model"), py::arg("name"),
        py::arg("x").noconvert());
  m.def("run_layers", &py_run_layers, "The outputs of all operations of a network",
        py::arg("model"), py::arg("name"), py::arg("x").noconvert());
}

}  // namespace

void bind_codec(py::module_& m) {
  bind_model(m);
  bind_results(m);
  bind_functions(m);
}

}  // namespace samebits
