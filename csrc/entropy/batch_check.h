// What encoder, decoder and cost estimate ask of a batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "entropy/cdf_tables.h"

namespace samebits {

// Refuses unequal sizes and rows out of range with Error(invalid_argument).
void check_batch(const CdfTables& tables, size_t symbols, std::span<const uint8_t> rows);

}  // namespace samebits
