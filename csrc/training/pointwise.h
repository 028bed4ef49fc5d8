// The passes of a pointwise layer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "training/kernels.h"
#include "training/rows.h"
#include "training/scratch.h"

namespace samebits::training {

template <class Math>
struct PointwiseScratch {
  using Element = typename Math::Element;

  PointwiseScratch(std::byte* memory, int64_t inputs, int64_t outputs) : cutter(memory) {
    const int64_t pixels = padded_rows<Math>(kChunkPixels);
    weight = cutter.template take<Element>(inputs * outputs);
    turned = cutter.template take<float>(inputs * outputs);
    rows = cutter.template take<Element>(pixels * (inputs > outputs ? inputs : outputs));
    input_panels = cutter.template take<Element>(pixels * inputs);
    output_panels = cutter.template take<Element>(pixels * outputs);
    gradient = cutter.template take<float>(pixels * outputs);
  }

  Cutter<Math> cutter;
  Element* weight;
  float* turned;
  Element *rows, *input_panels, *output_panels;
  float* gradient;  // of a chunk before leaky
};

template <class Math>
int64_t pointwise_scratch(int inputs, int outputs) {
  return PointwiseScratch<Math>(nullptr, inputs, outputs).cutter.size();
}

// The rows of the chunk after `pixel`.
template <class Math>
Range rows_after(const float* rows, int64_t pixel, int64_t pixels, int columns) {
  const int64_t rest = pixels - pixel - kChunkPixels;
  if (rest <= 0) return {};
  const int64_t next = rest < kChunkPixels ? rest : kChunkPixels;
  return {rows + (pixel + kChunkPixels) * columns,
          next * columns * static_cast<int64_t>(sizeof(float))};
}

template <class Math>
void pointwise_forward(const PointwiseForward& job, std::byte* memory) {
  using Vector = typename Math::Vector;
  const PointwiseScratch<Math> scratch(memory, job.inputs, job.outputs);
  pack_turned_panels<Math>(job.weight, job.inputs, job.outputs, scratch.turned, scratch.weight);
  for (int64_t pixel = 0; pixel < job.pixels; pixel += kChunkPixels) {
    const int64_t rest = job.pixels - pixel;
    const int pixels = rest < kChunkPixels ? static_cast<int>(rest) : kChunkPixels;
    float* out = job.out + pixel * job.outputs;
    const Ahead next{{rows_after<Math>(job.x, pixel, job.pixels, job.inputs),
                      rows_after<Math>(job.out, pixel, job.pixels, job.outputs)}};
    round_rows<Math>(job.x + pixel * job.inputs, pixels, as_rows<Math>(scratch.rows, job.inputs));
    changed_product<Math>(scratch.rows, pixels, job.inputs, scratch.weight,
                          nowhere<Math>(job.outputs), nullptr, next,
                          each_row<Math>([&](int row, int column, Vector sum) {
                            sum = Math::add(sum, Math::load(job.bias + column));
                            if (job.leaky) sum = leaky<Math>(sum, job.slope);
                            Math::store(out + int64_t{row} * job.outputs + column, sum);
                            return sum;
                          }));
  }
}

// The gradient before leaky of a chunk.
template <class Math>
const float* before_leaky(const PointwiseBackward& job, int64_t pixel, int pixels, float* to) {
  const float* gradient = job.grad_out + pixel * job.outputs;
  if (!job.leaky) return gradient;
  const float* out = job.out + pixel * job.outputs;
  for (int64_t i = 0; i < int64_t{pixels} * job.outputs; i += Math::kLanes)
    Math::store(to + i,
                leaky_gradient<Math>(Math::load(gradient + i), Math::load(out + i), job.slope));
  return to;
}

template <class Math>
void pointwise_backward(const PointwiseBackward& job, std::byte* memory) {
  using Vector = typename Math::Vector;
  const PointwiseScratch<Math> scratch(memory, job.inputs, job.outputs);
  pack_panels<Math>(job.weight, job.outputs, job.inputs, scratch.weight);
  fill_zero<Math>(job.grad_weight, int64_t{job.inputs} * job.outputs);
  fill_zero<Math>(job.grad_bias, job.outputs);
  for (int64_t pixel = 0; pixel < job.pixels; pixel += kChunkPixels) {
    const int64_t rest = job.pixels - pixel;
    const int pixels = rest < kChunkPixels ? static_cast<int>(rest) : kChunkPixels;
    const int padded = pixels + pixels % 2;
    const float* gradient = before_leaky<Math>(job, pixel, pixels, scratch.gradient);
    add_columns<Math>(gradient, pixels, job.outputs, job.grad_bias);
    round_rows<Math>(gradient, pixels,
                     as_both<Math>(scratch.rows, scratch.output_panels, job.outputs, padded));
    if (job.grad_x != nullptr) {
      float* to = job.grad_x + pixel * job.inputs;
      const int64_t x_bytes = int64_t{pixels} * job.inputs * static_cast<int64_t>(sizeof(float));
      Ahead next{{{job.x + pixel * job.inputs, x_bytes},
                  rows_after<Math>(job.grad_x, pixel, job.pixels, job.inputs),
                  rows_after<Math>(job.grad_out, pixel, job.pixels, job.outputs)}};
      if (job.leaky) next.ranges[3] = rows_after<Math>(job.out, pixel, job.pixels, job.outputs);
      changed_product<Math>(scratch.rows, pixels, job.outputs, scratch.weight,
                            nowhere<Math>(job.inputs), nullptr, next,
                            each_row<Math>([&](int row, int column, Vector sum) {
                              Math::store(to + int64_t{row} * job.inputs + column, sum);
                              return sum;
                            }));
    }
    round_rows<Math>(job.x + pixel * job.inputs, pixels,
                     as_panels<Math>(scratch.input_panels, job.inputs, padded));
    add_outer_products<Math>(scratch.output_panels, job.outputs, scratch.input_panels, job.inputs,
                             padded, job.grad_weight);
  }
}

}  // namespace samebits::training
