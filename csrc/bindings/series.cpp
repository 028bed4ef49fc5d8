// Binds series of pictures: the file, and the encoder and decoder that remember earlier latents.
#include "bitstream/series.h"

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "codec/series.h"

namespace py = pybind11;

namespace samebits {
namespace {

// (stream, whether it is a key picture), or None.
std::optional<std::pair<py::bytes, bool>> py_next(SeriesReader& reader) {
  const std::optional<SeriesPicture> picture = reader.next();
  if (!picture) return {};
  return std::pair(as_bytes(picture->stream), picture->is_key);
}

EncodeResult py_encode(SeriesEncoder& encoder, const Array<uint8_t>& rgb, int quality,
                       const ScheduleSpec& schedule, bool values, bool grey,
                       const std::vector<PyChunk>& chunks, int refine_rounds, int64_t max_pixels,
                       int64_t max_bytes) {
  const PictureView picture = view_of(rgb);
  EncodeOptions options;
  options.quality = quality;
  options.schedule = schedule;
  options.values = values;
  options.grey = grey;
  options.chunks = chunks_of(chunks);
  options.refine.rounds = refine_rounds;
  py::gil_scoped_release release;
  return encoder.encode(picture, options, {max_pixels, max_bytes});
}

Array<uint8_t> py_decode(SeriesDecoder& decoder, const py::bytes& stream, int64_t max_pixels,
                         int64_t max_bytes) {
  const std::span<const uint8_t> bytes = as_span(stream);
  Picture picture;
  {
    py::gil_scoped_release release;
    picture = decoder.decode(bytes, {max_pixels, max_bytes}).picture;
  }
  return as_array(std::move(picture));
}

void bind_file(py::module_& m) {
  py::class_<SeriesReader>(m, "SeriesReader", "Reads a series file from pieces, bitstream.md 6")
      .def(py::init<int64_t>(), py::kw_only(), py::arg("max_picture_bytes") = Limits{}.max_bytes)
      .def(
          "append",
          [](SeriesReader& reader, const py::bytes& bytes) { reader.append(as_span(bytes)); },
          py::arg("bytes"))
      .def("next", &py_next, "(stream, is_key) of the next picture that has arrived, or None")
      .def("finish", &SeriesReader::finish, "Truncated if the end has not been read");

  py::class_<SeriesWriter>(m, "SeriesWriter", "Makes the bytes of a series file")
      .def(py::init<>())
      .def(
          "add",
          [](SeriesWriter& writer, const py::bytes& stream) {
            return as_bytes(writer.add(as_span(stream)));
          },
          "The bytes that a picture adds", py::arg("stream"))
      .def("end", [](SeriesWriter& writer) { return as_bytes(writer.end()); });
}

}  // namespace

void bind_series(py::module_& m) {
  constexpr Limits kDefault;
  m.attr("SERIES_MAGIC") = as_bytes(kSeriesMagic);
  m.attr("KEY_EVERY") = kKeyEvery;
  bind_file(m);
  py::class_<SeriesEncoder>(m, "SeriesEncoder", "Codes the pictures of a series one by one")
      .def(py::init([](const Model& model, int key_every, bool adaptive) {
             return SeriesEncoder(model, key_every, adaptive ? Keys::adaptive : Keys::regular);
           }),
           py::keep_alive<1, 2>(), py::arg("model"), py::kw_only(),
           py::arg("key_every") = kKeyEvery, py::arg("adaptive") = true)
      .def("encode", &py_encode, py::arg("rgb").noconvert(), py::kw_only(), py::arg("quality"),
           py::arg("schedule") = ScheduleSpec{}, py::arg("values") = false, py::arg("grey") = false,
           py::arg("chunks") = std::vector<PyChunk>{}, py::arg("refine_rounds") = 0,
           py::arg("max_pixels") = kDefault.max_pixels, py::arg("max_bytes") = kDefault.max_bytes);
  py::class_<SeriesDecoder>(m, "SeriesDecoder", "Decodes the pictures of a series one by one")
      .def(py::init<const Model&>(), py::keep_alive<1, 2>(), py::arg("model"))
      .def("decode", &py_decode, "uint8 (H, W, 3), or (H, W) if the stream is grey",
           py::arg("stream"), py::kw_only(), py::arg("max_pixels") = kDefault.max_pixels,
           py::arg("max_bytes") = kDefault.max_bytes);
}

}  // namespace samebits
