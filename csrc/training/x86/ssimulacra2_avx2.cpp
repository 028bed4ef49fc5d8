#include "training/ssimulacra2_picture.h"

namespace samebits {

double ssimulacra2_picture_avx2(const Ssimulacra2Job& job) {
  return picture_sum(job);
}

}  // namespace samebits
