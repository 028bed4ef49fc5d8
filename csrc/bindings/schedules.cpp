// Binds csrc/codec/schedule.h: what training, tests and `samebits info` know of orders.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.h"
#include "bindings/bindings.h"
#include "codec/schedule.h"

namespace py = pybind11;

namespace samebits {
namespace {

using PyView = std::optional<std::vector<std::pair<int, int>>>;
using PyRect = std::tuple<int, int, int, PyView>;

std::vector<std::vector<PyRect>> py_schedule_steps(const ScheduleSpec& spec,
                                                   const ChannelGroups& groups) {
  std::vector<std::vector<PyRect>> steps;
  for (const Step& step : make_schedule(spec, groups, ErrorKind::invalid_argument)) {
    std::vector<PyRect>& rects = steps.emplace_back();
    for (const Rect& rect : step) {
      PyView view;
      if (!rect.view.empty()) view.emplace();
      for (const ChannelRange& range : rect.view) view->emplace_back(range.begin, range.end);
      rects.emplace_back(rect.channel_begin, rect.channel_end, rect.phase_mask, std::move(view));
    }
  }
  return steps;
}

ChannelGroups make_groups(int latent_channels, std::vector<uint32_t> groups,
                          std::vector<uint32_t> phase_groups) {
  if (latent_channels < 1 || latent_channels > static_cast<int>(kMaxLatentChannels)) {
    fail(ErrorKind::invalid_argument,
         "latent_channels is " + std::to_string(latent_channels) + ", must be 1 to 1024");
  }
  return {latent_channels, std::move(groups), std::move(phase_groups)};
}

}  // namespace

void bind_schedules(py::module_& m) {
  py::class_<ChannelGroups>(m, "ChannelGroups", "What a schedule needs to know of a model")
      .def(py::init(&make_groups), py::kw_only(), py::arg("latent_channels"),
           py::arg("groups") = std::vector<uint32_t>{},
           py::arg("phase_groups") = std::vector<uint32_t>{})
      .def_readonly("latent_channels", &ChannelGroups::latent_channels)
      .def_readonly("groups", &ChannelGroups::groups)
      .def_readonly("phase_groups", &ChannelGroups::phase_groups);

  const auto sizes = [](const ScheduleSpec& spec, const ChannelGroups& groups) {
    return group_sizes(spec, groups, ErrorKind::invalid_argument);
  };
  m.def("group_sizes", sizes,
        "Sizes of the channel groups that a schedule speaks of; errors as of schedule_steps",
        py::arg("schedule"), py::arg("groups"));

  m.def("schedule_steps", &py_schedule_steps,
        "Steps as lists of (channel begin, channel end, phase mask, view). A view is None if the "
        "rectangle may see all that is known, otherwise a list of (channel begin, channel end): it "
        "sees these channels only. InvalidArgument for a schedule that does not fit the groups.",
        py::arg("schedule"), py::arg("groups"));
}

}  // namespace samebits
