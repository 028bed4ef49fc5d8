// Running a network from the top of a picture to its bottom, a strip of rows at a time. Rows of a
// value that later strips still read (those around a 3 x 3 convolution, or of a residual) are kept,
// so that nothing is computed twice, and a strip's values stay in the cache.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/network.h"
#include "nn/row_buffers.h"

namespace samebits {

class RowPipeline {
 public:
  // Strips of `strip` output rows, a multiple of strip_unit(sizes) unless it is the whole height.
  RowPipeline(const Network& net, const std::vector<Network::Size>& sizes, int strip,
              const Network::Input& input, const Network::Output& output,
              RowBufferPool::Kind kind = RowBufferPool::Kind::real);

  void run();
  int64_t held_bytes() const { return pool_.bytes(); }

  // held_bytes() after run(), known beforehand.
  static int64_t bytes(const Network& net, const std::vector<Network::Size>& sizes, int strip,
                       const Network::Input& input, const Network::Output& output);

  // Strips begin at rows that are whole in the coarsest value, so that all strips are alike.
  static int strip_unit(const std::vector<Network::Size>& sizes);

 private:
  using Stage = Network::Stage;
  // Rows [first, end) of a value are in memory at `data`.
  struct Held {
    RowBuffer buffer;
    int16_t* data = nullptr;
    int first = 0;
  };

  struct Rows {
    int begin, end;
  };
  // Rows of its source that a stage reads for its output rows.
  Rows rows_read(const Stage& stage, Rows out) const;
  std::vector<int> rows_done(int out_rows) const;
  std::vector<int> rows_kept(const std::vector<int>& done) const;
  void advance(int out_rows);
  void read_input(int begin, int end);
  void make_room(int value, int begin, int end);
  void compute(const Stage& stage, int begin, int end);
  void release(size_t stage);
  RowWindow window(int value) const;
  int64_t row_values(int value) const;
  bool counting() const { return kind_ == RowBufferPool::Kind::counting; }

  const Network& net_;
  const std::vector<Network::Size>& sizes_;
  const int strip_;
  const Network::Input& input_;
  const Network::Output& output_;
  const RowBufferPool::Kind kind_;
  RowBufferPool pool_;
  std::vector<Held> held_;
  std::vector<int> live_;       // rows of each value that the output needs at all
  std::vector<int> done_;       // rows [0, done_) of each value have been computed
  std::vector<int> kept_;       // rows from kept_ on are read by what is not done yet
  std::vector<int> kept_next_;  // the same after this strip
};

}  // namespace samebits
