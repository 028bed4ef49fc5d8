#include "training/ssimulacra2_picture.h"

namespace samebits {

double ssimulacra2_picture_scalar(const Ssimulacra2Job& job) {
  return picture_sum(job);
}

}  // namespace samebits
