// The container for Python: parse_stream, write_stream and the classes they speak in.
#include <pybind11/stl.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/crc32.h"
#include "base/error.h"
#include "bindings/bindings.h"
#include "bitstream/container.h"

namespace py = pybind11;

namespace samebits {
namespace {

using PyChunk = std::pair<int, py::bytes>;

std::span<const uint8_t> as_span(const py::bytes& bytes) {
  std::string_view view = bytes;
  return {reinterpret_cast<const uint8_t*>(view.data()), view.size()};
}

py::bytes as_bytes(std::span<const uint8_t> span) {
  return py::bytes(reinterpret_cast<const char*>(span.data()), span.size());
}

// ParsedStream points into the caller's bytes; this one owns what Python sees.
struct PyParsedStream {
  Header header;
  std::vector<PyChunk> chunks;
  py::bytes payload;
  size_t header_bytes;
};

PyParsedStream py_parse_stream(const py::bytes& stream) {
  ParsedStream parsed = parse_stream(as_span(stream));
  std::vector<PyChunk> chunks;
  for (const Chunk& chunk : parsed.chunks) chunks.emplace_back(chunk.type, as_bytes(chunk.bytes));
  return {std::move(parsed.header), std::move(chunks), as_bytes(parsed.payload),
          parsed.header_bytes};
}

py::bytes py_write_stream(const Header& header, const std::vector<PyChunk>& chunks,
                          const py::bytes& payload) {
  std::vector<Chunk> native;
  for (const auto& [type, bytes] : chunks) {
    if (type < 0 || type > 255) {
      fail(ErrorKind::invalid_argument,
           "chunk type " + std::to_string(type) + " does not fit in a byte");
    }
    std::span<const uint8_t> span = as_span(bytes);
    native.push_back({static_cast<uint8_t>(type), {span.begin(), span.end()}});
  }
  return as_bytes(write_stream(header, native, as_span(payload)));
}

Header make_header(const py::bytes& model_id, int quality, ScheduleSpec schedule, bool values,
                   uint32_t width, uint32_t height, bool grey, bool time, uint32_t latent_crc) {
  Header header;
  std::span<const uint8_t> id = as_span(model_id);
  if (id.size() != header.model_id.size()) {
    fail(ErrorKind::invalid_argument,
         "model_id has " + std::to_string(id.size()) + " bytes, must have 3");
  }
  std::copy(id.begin(), id.end(), header.model_id.begin());
  header.quality = quality;
  header.schedule = std::move(schedule);
  header.values = values;
  header.width = width;
  header.height = height;
  header.grey = grey;
  header.time = time;
  header.latent_crc = latent_crc;
  return header;
}

// (name, position of its byte, value as text) for each field, in file order.
std::vector<std::tuple<std::string, size_t, std::string>> py_describe(const Header& header) {
  std::vector<std::tuple<std::string, size_t, std::string>> lines;
  for (const HeaderField& field : describe_header(header)) {
    lines.emplace_back(field.name, field.position, field.value);
  }
  return lines;
}

}  // namespace

void bind_bitstream(py::module_& m) {
  m.attr("FORMAT_VERSION") = kFormatVersion;
  m.attr("MAX_SIDE") = kMaxSide;
  m.def(
      "crc32", [](const py::bytes& bytes, uint32_t crc) { return crc32(as_span(bytes), crc); },
      py::arg("bytes"), py::arg("crc") = 0);

  const ScheduleSpec defaults;
  py::class_<ScheduleSpec>(m, "ScheduleSpec",
                           "bitstream.md 2: groups as sizes, or a number of even ones, or neither "
                           "for the model's own; first: groups of the first part in modes 5 and 6")
      .def(py::init([](int mode, int phases, std::vector<uint32_t> groups, uint32_t even_groups,
                       uint32_t first) {
             return ScheduleSpec{mode, phases, std::move(groups), even_groups, first};
           }),
           py::kw_only(), py::arg("mode") = defaults.mode, py::arg("phases") = defaults.phases,
           py::arg("groups") = std::vector<uint32_t>{}, py::arg("even_groups") = 0,
           py::arg("first") = 0)
      .def_readonly("mode", &ScheduleSpec::mode)
      .def_readonly("phases", &ScheduleSpec::phases)
      .def_readonly("groups", &ScheduleSpec::groups)
      .def_readonly("even_groups", &ScheduleSpec::even_groups)
      .def_readonly("first", &ScheduleSpec::first);

  py::class_<Header>(m, "Header", "The header of a stream, bitstream.md 1")
      .def(py::init(&make_header), py::kw_only(), py::arg("model_id"), py::arg("quality"),
           py::arg("schedule"), py::arg("values") = false, py::arg("width"), py::arg("height"),
           py::arg("grey") = false, py::arg("time") = false, py::arg("latent_crc") = 0)
      .def_readonly("version", &Header::version)
      .def_readonly("grey", &Header::grey)
      .def_readonly("time", &Header::time)
      .def_readonly("quality", &Header::quality)
      .def_readonly("schedule", &Header::schedule)
      .def_readonly("values", &Header::values)
      .def_readonly("width", &Header::width)
      .def_readonly("height", &Header::height)
      .def_readonly("latent_crc", &Header::latent_crc)
      .def_property_readonly("model_id",
                             [](const Header& header) { return as_bytes(header.model_id); })
      .def("describe", &py_describe, "[(name, byte, value as text)] in file order");

  py::class_<PyParsedStream>(m, "ParsedStream", "Everything in a stream, the payload still coded")
      .def_readonly("header", &PyParsedStream::header)
      .def_readonly("chunks", &PyParsedStream::chunks)
      .def_readonly("payload", &PyParsedStream::payload)
      .def_readonly("header_bytes", &PyParsedStream::header_bytes);

  m.def("parse_stream", &py_parse_stream, py::arg("stream"));
  m.def("write_stream", &py_write_stream, py::kw_only(), py::arg("header"), py::arg("chunks"),
        py::arg("payload"));
}

}  // namespace samebits
