// Every version of the range coder gives the scalar one's bytes, symbols and errors: random tables
// of every kind, streams whole and damaged, with a page behind them that must not be touched.
//
//     entropy_targets [cases]     # default 300; 1000000 takes an hour or so
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "base/cpu.h"
#include "entropy/range_coder.h"
#include "entropy_tables.h"

using namespace samebits;

namespace {

// Memory that ends where an unreadable page begins.
class GuardedBytes {
 public:
  GuardedBytes() : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))), size_(64 * page_) {
    void* p =
        mmap(nullptr, size_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    memory_ = static_cast<uint8_t*>(p);
    CHECK(mprotect(memory_ + size_, page_, PROT_NONE) == 0);
  }
  ~GuardedBytes() { munmap(memory_, size_ + page_); }
  GuardedBytes(const GuardedBytes&) = delete;

  // Room for `count` values whose end is the end of the memory.
  template <class T>
  std::span<T> last(size_t count) {
    CHECK(count * sizeof(T) <= size_);
    return {reinterpret_cast<T*>(memory_ + size_ - count * sizeof(T)), count};
  }
  template <class T>
  std::span<T> copy(std::span<const T> values) {
    const auto place = last<T>(values.size());
    if (!values.empty()) std::memcpy(place.data(), values.data(), values.size_bytes());
    return place;
  }

 private:
  size_t page_, size_;
  uint8_t* memory_;
};

struct Batches {
  std::vector<std::vector<int32_t>> symbols;
  std::vector<std::vector<uint8_t>> rows;
};

struct Outcome {
  std::vector<std::vector<int32_t>> symbols;  // of the batches before an error
  std::string error;

  bool operator==(const Outcome&) const = default;
};

std::vector<std::string> targets() {
  std::vector<std::string> names{"scalar"};
  for (const auto& [name, set] :
       {std::pair{"avx2", VectorSet::avx2}, {"avx512", VectorSet::avx512}}) {
    choose_vector_set(name);
    if (vector_set() == set) names.push_back(name);
  }
  return names;
}

std::vector<uint8_t> encode(const CdfTables& tables, const Batches& batches, int lanes) {
  static GuardedBytes row_memory, symbol_memory;
  RangeEncoder encoder(tables, lanes);
  for (size_t b = 0; b < batches.rows.size(); ++b) {
    encoder.encode(symbol_memory.copy<int32_t>(batches.symbols[b]),
                   row_memory.copy<uint8_t>(batches.rows[b]));
  }
  return encoder.finish();
}

Outcome decode(const CdfTables& tables, const Batches& batches, std::span<const uint8_t> payload) {
  static GuardedBytes payload_memory, row_memory, symbol_memory;
  Outcome outcome;
  try {
    RangeDecoder decoder(tables, payload_memory.copy<uint8_t>(payload));
    for (const auto& rows : batches.rows) {
      const auto symbols = symbol_memory.last<int32_t>(rows.size());
      decoder.decode(row_memory.copy<uint8_t>(rows), symbols);
      outcome.symbols.emplace_back(symbols.begin(), symbols.end());
    }
    decoder.finish();
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::truncated || error.kind() == ErrorKind::corrupt_stream);
    outcome.error = error.what();
  }
  return outcome;
}

// Mostly rows as a codec has them, some with symbols that no int16 holds or with huge alphabets.
CdfTables random_tables(Random& random) {
  if (random.one_in(10)) return extreme_tables(random);
  RowList list;
  const int rows = static_cast<int>(random.one_in(20) ? 256 : random.between(1, 12));
  for (int row = 0; row < rows; ++row) {
    const int entries =
        static_cast<int>(random.one_in(10) ? random.between(2, 3000) : random.between(2, 60));
    const int64_t first = random.one_in(15)  ? static_cast<int32_t>(random.bits32())
                          : random.one_in(5) ? random.between(-40000, 40000)
                                             : -entries / 2;
    list.add(random_row(random, entries),
             static_cast<int32_t>(std::min<int64_t>(first, INT32_MAX - entries)));
  }
  return list.tables();
}

// Symbols of a few rows, by the rows' probabilities or evenly, with a rate of escapes.
void add_batch(Random& random, const CdfTables& tables, size_t size, Batches& batches) {
  const int few = static_cast<int>(random.between(1, tables.rows()));
  const int escapes = random.one_in(3) ? 8 : 2000;
  const bool likely = !random.one_in(4);
  auto& symbols = batches.symbols.emplace_back(size);
  auto& rows = batches.rows.emplace_back(size);
  for (size_t i = 0; i < size; ++i) {
    const int row = static_cast<int>(random.between(0, few - 1));
    rows[i] = static_cast<uint8_t>(row);
    if (random.one_in(escapes)) {
      symbols[i] = random_symbol(random, tables, row);
      continue;
    }
    const auto begin = tables.starts().begin() + tables.row_begin()[row];
    const auto end = tables.starts().begin() + tables.row_begin()[row + 1];
    const int64_t entry = likely
                              ? std::upper_bound(begin, end, random.bits32() & 0xFFFF) - begin - 1
                              : random.between(0, tables.entries(row) - 2);
    symbols[i] = static_cast<int32_t>(
        std::min<int64_t>(tables.min_symbol(row) + entry, tables.max_symbol(row)));
  }
}

std::vector<uint8_t> damaged(Random& random, std::vector<uint8_t> payload) {
  switch (random.between(0, 3)) {
    case 0:
      payload.resize(static_cast<size_t>(random.between(0, static_cast<int64_t>(payload.size()))));
      break;
    case 1:
      for (int n = 0; n < 3; ++n)
        payload[random.bits32() % payload.size()] ^=
            static_cast<uint8_t>(1 << random.between(0, 7));
      break;
    case 2:  // noise behind a good head
      for (size_t i = std::min<size_t>(payload.size(), 6); i < payload.size(); ++i)
        payload[i] = static_cast<uint8_t>(random.bits32());
      break;
    default:
      payload.resize(payload.size() + static_cast<size_t>(random.between(1, 80)),
                     static_cast<uint8_t>(random.bits32()));
  }
  return payload;
}

void compare_targets(uint64_t seed, const std::vector<std::string>& targets) {
  Random random(seed);
  const CdfTables tables = random_tables(random);
  Batches batches;
  for (int64_t n = random.between(1, 4); n > 0; --n) {
    const int64_t most = random.one_in(3) ? 3000 : 150;
    add_batch(random, tables, static_cast<size_t>(random.between(0, most)), batches);
  }
  const int lanes = 1 << (random.one_in(5) ? random.between(0, 2) : random.between(3, 5));

  choose_vector_set("scalar");
  const auto payload = encode(tables, batches, lanes);
  std::vector<std::vector<uint8_t>> payloads{payload};
  for (int n = 0; n < 3; ++n) payloads.push_back(damaged(random, payload));
  std::vector<Outcome> expected;
  for (const auto& bytes : payloads) expected.push_back(decode(tables, batches, bytes));
  CHECK(expected[0].error.empty() && expected[0].symbols == batches.symbols);

  for (size_t t = 1; t < targets.size(); ++t) {
    choose_vector_set(targets[t]);
    CHECK(encode(tables, batches, lanes) == payload);
    for (size_t n = 0; n < payloads.size(); ++n)
      CHECK(decode(tables, batches, payloads[n]) == expected[n]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t cases = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 300;
  const auto names = targets();
  for (uint64_t seed = 1; seed <= cases; ++seed) compare_targets(seed, names);
  std::printf("%llu cases, targets:", static_cast<unsigned long long>(cases));
  for (const std::string& name : names) std::printf(" %s", name.c_str());
  std::printf("\n");
}
