#include <string>

#include "codec/context_sums.h"
#include "codec/model.h"

namespace samebits {
namespace {

int64_t weights_of(const Network& network) {
  int64_t count = 0;
  for (const ConvLayer& layer : network.layers()) {
    count += static_cast<int64_t>(layer.weight.size() + layer.bias.size());
  }
  return count;
}

std::string network_line(const std::string& name, const Network& network) {
  return name + ": " + std::to_string(network.in_channels()) + " to " +
         std::to_string(network.out_channels()) + " channels, " +
         std::to_string(network.layers().size()) + " convolutions, " +
         std::to_string(weights_of(network)) + " weights\n";
}

std::string value_line(const std::optional<ValueHead>& values) {
  if (!values) return "";
  return network_line("values", values->network) +
         "a probability per value: " + std::to_string(values->entries - 1) +
         " values and the escape, CDF rows " + std::to_string(values->first_row) + " to " +
         std::to_string(values->end_row - 1) + "\n";
}

std::string joined(const std::vector<uint32_t>& sizes) {
  std::string text;
  for (uint32_t size : sizes) text.append(" ").append(std::to_string(size));
  return text;
}

}  // namespace

std::string Model::describe() const {
  return "latent channels: " + std::to_string(latent_channels) + "\n" +
         "hyper-latent channels: " + std::to_string(hyper_channels) + "\n" +
         "hyper features: " + std::to_string(feature_channels) + "\n" +
         "context channels: " + std::to_string(context_channels) + "\n" +
         "groups:" + joined(groups.groups) + "\n" +
         "groups of the diagonal order:" + joined(groups.phase_groups) + "\n" +
         "CDF rows: " + std::to_string(cdf.rows()) + ", " + std::to_string(scale_rows) +
         " of them for latents\n" + network_line("g_a", analysis) + network_line("g_s", synthesis) +
         network_line("h_a", hyper_analysis) + network_line("h_s", hyper_synthesis) +
         network_line("entropy", entropy) + value_line(values) +
         (time ? network_line("time", time->network) : "") +
         "context: " + std::to_string(context.weight.size()) +
         " weights, largest possible accumulator " + std::to_string(context_bound(*this)) + "\n";
}

}  // namespace samebits
